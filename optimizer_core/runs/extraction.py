"""Which candidate a search returns: the best full evaluation, and why."""

from collections.abc import Sequence

from mipro_studio.optimizer_core.evaluation.failures import in_words, with_example
from mipro_studio.optimizer_core.evaluation.objective import over_limits
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.plurals import plural
from mipro_studio.optimizer_core.types import FULL_KINDS, Candidate, Cell, Split, Trial, TuningState

__all__ = ["best_full_evaluation"]

MOST_ERRORS = 0.1
"""Share of errors above which a full evaluation does not count as one: too little of it is known."""


def best_full_evaluation(context: RunContext, trials: Sequence[Trial]) -> tuple[Candidate, str]:
    """(candidate, reason): the best mean of the objective among the full evaluations that count (`_eligible`)."""
    eligible = _eligible(context, trials)
    baseline = context.baseline
    if not eligible:
        return baseline, _nobody(context, trials)
    best = max(eligible, key=lambda name: eligible[name])  # of equals, the first evaluated
    if best == baseline.id and len(eligible) == 1 and _nothing_to_tune(context):
        return baseline, "There was nothing to tune weights on, as the log says, so the program stays as it is."
    if best == baseline.id and len(eligible) == 1:
        return baseline, (
            "No candidate but the baseline was evaluated on the whole validation set, so the program stays as it is. "
            f"More trials, or higher caps, may find a better one.{_limits_said(context)}"
        )
    if best == baseline.id:
        others = "The one other fully evaluated candidate did not"
        if len(eligible) > 2:
            others = f"None of {len(eligible) - 1} fully evaluated candidates"
        return baseline, f"{others} beat the baseline on all of the validation set.{_limits_said(context)}"
    return Candidate.parse(best), _won(context)


def _eligible(context: RunContext, trials: Sequence[Trial]) -> dict[str, float]:
    """Mean of the objective by candidate, of the full evaluations in which nearly every example has a score.

    Examples on which every program run failed, whatever the candidate, tell none from another and are left out. A
    candidate that breaks a limit where another keeps it does not count (`objective.over_limits`).
    """
    n = len(context.examples[Split.VAL])
    hopeless = _never_scored(context)
    out = _over(context)
    eligible = {}
    for candidate in dict.fromkeys(trial.candidate for trial in trials if trial.kind in FULL_KINDS):
        known = context.table.mean(candidate, Split.VAL, of=context.objective)
        whole = known.n + known.n_error == n
        whole = whole and known.n_error - len(hopeless) <= MOST_ERRORS * (n - len(hopeless))
        allowed = candidate not in out and context.allows(Candidate.parse(candidate))
        if known.mean is not None and whole and allowed:
            eligible[candidate] = known.mean
    return eligible


def _nobody(context: RunContext, trials: Sequence[Trial]) -> str:
    """Why there is no best."""
    out = _over(context)
    if any(trial.candidate in out and trial.kind in FULL_KINDS for trial in trials):
        return (
            "No candidate that was evaluated on the whole validation set keeps the limits "
            f"({context.objective.limits}), so the program stays as it is."
        )
    failed = in_words(list(context.table.row(context.baseline.id, Split.VAL).values()))
    why = f" The baseline: {failed}." if failed else ""
    return f"No candidate was evaluated on the whole validation set, so the program stays as it is.{why}"


def _won(context: RunContext) -> str:
    """On how many examples the best won; how many candidates were tried is counted where it is shown."""
    n = len(context.examples[Split.VAL])
    hopeless = _never_scored(context)
    examples = plural(n - len(hopeless), "validation example")
    reason = f"Best mean of the candidates that were scored on all of {examples}."
    if not context.objective.is_score:
        reason += f" Best by the objective {context.objective.text}."
    if hopeless:
        why = with_example(list(hopeless.values()))
        reason += f" On {len(hopeless)} more of them no candidate has a score: {why}"
    return reason + _limits_said(context)


def _limits_said(context: RunContext) -> str:
    """How many fully evaluated candidates the limits ruled out, and on how many examples nobody keeps them."""
    if not context.objective.limited:
        return ""
    over = _over_by_candidate(context)
    out = len(over_limits(over))
    names = {name for row in over.values() for name in row}
    nobody = sum(all(row[name] for row in over.values() if name in row) for name in names)
    said = f" {out} of {len(over)} candidates broke a limit ({context.objective.limits}) and cannot win."
    return said + (f" On {plural(nobody, 'validation example')} no candidate keeps the limits." if nobody else "")


def _over(context: RunContext) -> frozenset[str]:
    return over_limits(_over_by_candidate(context)) if context.objective.limited else frozenset()


def _over_by_candidate(context: RunContext) -> dict[str, dict[str, bool]]:
    table = context.table
    rows = {name: table.row(name, Split.VAL) for name in table.candidates(Split.VAL)}
    return {
        name: {example: context.objective.over(cell) for example, cell in row.items() if cell.score is not None}
        for name, row in rows.items()
    }


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


def _nothing_to_tune(context: RunContext) -> bool:
    """Whether every tuning of the run, of which there are some, had no rows."""
    states = {tuning.state for tuning in context.tunings.values()}
    return states == {TuningState.EMPTY}
