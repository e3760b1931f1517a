"""What a run has come to: the one place that pages, report and command line take its numbers from. No Streamlit.

The numbers are core's; here they are fetched, cut to the metric's range, and kept while the cells behind them are the
same.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from typing import Any

from mipro_studio.optimizer_core.types import Candidate, Outcome, Split, Status, Trial
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.result.leaders import baseline_of, candidates_tried, leading

__all__ = ["Block", "Evidence", "as_told", "estimate_of", "evidence_of", "no_gain", "paired"]

Estimate = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Block:
    """Baseline, best, and both on the examples that both were scored on: core's estimates, None where nothing is."""

    before: Estimate | None
    after: Estimate | None
    paired: Estimate | None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a run at a moment.

    Attributes:
        best: The winner, or before there is one the candidate that leads; None while the baseline stands.
        final: There is an outcome: `best` will not change.
        val, test: By split; `test.after` is None before the sealed test was scored.
        n_val: Size of the validation split.
        tried: Candidates other than the baseline with a score.
        shares: The metric gives 0 to 1, as far as was seen: scores may be told in per cent.
        tokens: Tokens a program run of baseline and best, on the examples that both were asked; None where not known.
        corrected: The winner's validation score without the luck of having been chosen; core's `corrected`.
        objective: What was maximized where that is not the score; core's `Outcome.objective`.
        ended: The run's status where it ended without an outcome and does not go on by itself.
    """

    best: str | None
    final: bool
    val: Block
    test: Block
    n_val: int
    tried: int
    shares: bool
    tokens: tuple[float, float] | None
    corrected: Estimate | None
    objective: Estimate | None = None
    ended: Status | None = None

    @property
    def tested(self) -> bool:
        return bool(self.test.before and self.test.before.get("n"))


def evidence_of(
    reader: Reader, run_id: str, trials: Sequence[Trial], outcome: Outcome | None, until: str | None = None
) -> Evidence:
    """The outcome's numbers once there is one; until then those of the candidate that leads.

    Args:
        until: Only cells written up to this time count, for a run as it was; `trials` are then those of that time.
    """
    run = reader.run(run_id)
    base = baseline_of(trials)
    before: Mapping[str, float | None] = {}
    if base is not None:
        before = reader.candidate_scores(run_id, base.candidate, until=until)
    if outcome is not None:
        best = None if no_gain(outcome) else outcome.winner
        after: Mapping[str, float | None] = reader.candidate_scores(run_id, best, until=until) if best else {}
        val = Block(outcome.baseline_val, outcome.best_val, outcome.paired_val)
        test = Block(outcome.baseline_test, outcome.best_test, outcome.paired_test)
    else:
        lead = leading(trials, run.n_val)
        best, after = _beating(reader, run_id, lead, before, until)
        pairs = _pairs(before, after)
        val = Block(_estimate(before), _estimate(after), paired(pairs) if best else None)
        test = Block(None, None, None)
    shares = _within_one(chain(_known(before), _known(after), (trial.mean for trial in trials), _means(val, test)))
    return Evidence(
        best,
        outcome is not None,
        _cut(val, shares),
        _cut(test, shares),
        run.n_val,
        candidates_tried(trials),
        shares,
        _tokens(reader, run_id, base.candidate, best, outcome) if base and best else None,
        outcome.corrected if outcome is not None else None,
        outcome.objective if outcome is not None else None,
        run.status if outcome is None and until is None and run.status in (Status.FAILED, Status.STOPPED) else None,
    )


def as_told(reader: Reader, run: RunSummary) -> RunSummary:
    """The run with the means on validation that its own pages give, for lists of runs.

    Until it is over, the store has its best full evaluation there, which need not be the one that leads.
    """
    if run.baseline_val is None or run.status is Status.COMPLETED:
        return run
    block = evidence_of(reader, run.id, reader.trials(run.id), reader.outcome(run.id)).val
    before, after = ((side or {}).get("mean") for side in (block.before, block.after))
    return replace(run, baseline_val=before, best_val=after)


def _beating(
    reader: Reader, run_id: str, lead: Trial | None, before: Mapping[str, float | None], until: str | None
) -> tuple[str | None, Mapping[str, float | None]]:
    """The leading candidate with its scores; no candidate when it does not beat the baseline on the same examples."""
    if lead is None:
        return None, {}
    after = reader.candidate_scores(run_id, lead.candidate, until=until)
    pairs = _pairs(before, after)
    gained = sum(second - first for first, second in pairs)
    # An objective that is not the score may be better at a lower score; `leading` went by it.
    return (lead.candidate, after) if gained > 0 or lead.objective is not None else (None, {})


def _pairs(before: Mapping[str, float | None], after: Mapping[str, float | None]) -> tuple[tuple[float, float], ...]:
    found = ((before.get(example), score) for example, score in sorted(after.items()))
    return tuple((first, second) for first, second in found if first is not None and second is not None)


def _tokens(
    reader: Reader, run_id: str, baseline: str, best: str, outcome: Outcome | None
) -> tuple[float, float] | None:
    """On the sealed test where both were asked there, on validation otherwise."""
    for split in (Split.TEST, Split.VAL) if outcome is not None and outcome.best_test else (Split.VAL,):
        before, after = (reader.example_scores(run_id, name, split) for name in (baseline, best))
        both = [(before[name].tokens, after[name].tokens) for name in after if name in before]
        sums = [sum(side) / len(both) for side in zip(*both, strict=True)]
        if sums and all(sums):
            return sums[0], sums[1]
    return None


def no_gain(outcome: Outcome) -> bool:
    """Whether the run ended where it began: its winner is the baseline."""
    if outcome.winner is None:
        return True
    winner = Candidate.parse(outcome.winner)
    return winner == Candidate.baseline(winner.n_predictors)


def _known(scores: Mapping[str, float | None]) -> tuple[float, ...]:
    return tuple(score for score in scores.values() if score is not None)


def _estimate(scores: Mapping[str, float | None]) -> Estimate | None:
    known = _known(scores)
    return {**estimate_of(known), "n_error": len(scores) - len(known)} if known else None


def _means(*blocks: Block) -> list[float | None]:
    return [side.get("mean") for block in blocks for side in (block.before, block.after) if side]


def _within_one(scores: Iterable[float | None]) -> bool:
    """Whether the metric gives shares, as far as its scores tell."""
    known = [score for score in scores if score is not None]
    return bool(known) and all(0.0 <= score <= 1.0 for score in known)


def _cut(block: Block, shares: bool) -> Block:
    """No interval reaches where no score can be; stores of an older studio hold some that do."""
    if not shares:
        return block
    return Block(_clipped(block.before, 0.0), _clipped(block.after, 0.0), _clipped(block.paired, -1.0))


def _clipped(estimate: Estimate | None, least: float) -> Estimate | None:
    if not estimate or estimate.get("low") is None or estimate.get("high") is None:
        return estimate
    return {**estimate, "low": max(least, estimate["low"]), "high": min(1.0, estimate["high"])}


# The home page need not wait for scipy; a refresh finds the same cells most times.
@lru_cache(maxsize=64)
def estimate_of(scores: tuple[float, ...]) -> Estimate:
    """Core's `estimate`, kept while the scores are the same."""
    from mipro_studio.optimizer_core.analysis.statistics import estimate

    return estimate(scores)


@lru_cache(maxsize=64)
def paired(pairs: tuple[tuple[float, float], ...]) -> Estimate:
    """Core's `paired_difference`, kept while the pairs are the same."""
    from mipro_studio.optimizer_core.analysis.statistics import paired_difference

    return paired_difference(pairs)
