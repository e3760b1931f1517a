"""Which candidate a search returns: the best full evaluation, and why."""

from collections.abc import Sequence

from mipro_studio.optimizer_core.evaluation.failures import in_words, with_example
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.types import FULL_KINDS, Candidate, Cell, Split, Trial

__all__ = ["best_full_evaluation"]

MOST_ERRORS = 0.1
"""Share of errors above which a full evaluation does not count as one: too little of it is known."""


def best_full_evaluation(context: RunContext, trials: Sequence[Trial]) -> tuple[Candidate, str]:
    """(candidate, reason): only full evaluations count in which nearly every example has a score.

    Examples on which every program run failed, whatever the candidate, tell none from another and are left out.
    """
    n = len(context.examples[Split.VAL])
    hopeless = _never_scored(context)
    eligible = []
    for candidate in dict.fromkeys(trial.candidate for trial in trials if trial.kind in FULL_KINDS):
        known = context.table.mean(candidate, Split.VAL)
        whole = known.n + known.n_error == n
        whole = whole and known.n_error - len(hopeless) <= MOST_ERRORS * (n - len(hopeless))
        if known.mean is not None and whole and context.allows(Candidate.parse(candidate)):
            eligible.append((known.mean, candidate))
    baseline = context.baseline
    if not eligible:
        failed = in_words(list(context.table.row(baseline.id, Split.VAL).values()))
        why = f" The baseline: {failed}." if failed else ""
        reason = f"No candidate was evaluated on the whole validation set, so the program stays as it is.{why}"
        return baseline, reason
    mean, best = max(eligible, key=lambda pair: pair[0])  # of equals, the first evaluated
    if best == baseline.id and len(eligible) == 1:
        return baseline, (
            "No candidate but the baseline was evaluated on the whole validation set yet, so the program "
            "stays as it is. Resume the run to go on."
        )
    if best == baseline.id:
        others = "The one other fully evaluated candidate did not"
        if len(eligible) > 2:
            others = f"None of {len(eligible) - 1} fully evaluated candidates"
        return baseline, f"{others} beat the baseline's {mean:.3f}."
    tried = len({trial.candidate for trial in trials})
    examples = f"{n - len(hopeless)} validation example{'s' if n > 1 else ''}"
    reason = f"Best of {len(eligible)} full evaluations on {examples}, out of {tried} candidates tried."
    if hopeless:
        why = with_example(list(hopeless.values()))
        reason += f" On {len(hopeless)} more of them no candidate has a score: {why}"
    return Candidate.parse(best), reason


def _never_scored(context: RunContext) -> dict[str, Cell]:
    """Validation examples that were asked and have no score by any candidate, with the baseline's cell."""
    failed = {
        name: cell
        for name, cell in context.table.row(context.baseline.id, Split.VAL).items()
        if cell.error is not None
    }
    for candidate in context.table.candidates(Split.VAL):
        scored = {name for name, cell in context.table.row(candidate, Split.VAL).items() if cell.score is not None}
        failed = {name: cell for name, cell in failed.items() if name not in scored}
    return failed
