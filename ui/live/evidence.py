"""What stands behind a running search's numbers: intervals and paired comparisons from the score table.

The numbers are core's; here they are fetched, and kept while the cells behind them are the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from mipro_studio.optimizer_core.types import Candidate, Outcome, Trial, TrialKind
from mipro_studio.storage import Reader
from mipro_studio.ui.charts.figures import best_full

__all__ = ["Evidence", "estimate_of", "evidence_of", "leader", "no_gain", "paired"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """`best` is the candidate that leads; the rest are core's estimates, None where there is nothing yet."""

    best: str | None
    best_val: Mapping[str, Any] | None
    baseline_val: Mapping[str, Any] | None
    paired_val: Mapping[str, Any] | None


def evidence_of(reader: Reader, run_id: str, trials: Sequence[Trial], outcome: Outcome | None) -> Evidence:
    """The outcome's numbers once there is one; until then those of the best full evaluation so far."""
    if outcome is not None:
        return Evidence(
            None if no_gain(outcome) else outcome.winner, outcome.best_val, outcome.baseline_val, outcome.paired_val
        )
    base, best = _baseline(trials), leader(trials)
    if base is None:
        return Evidence(None, None, None, None)
    before = reader.candidate_scores(run_id, base.candidate)
    if best is None:
        return Evidence(None, None, estimate_of(_known(before)), None)
    after = reader.candidate_scores(run_id, best.candidate)
    pairs = tuple(
        (before[example], score)
        for example, score in after.items()
        if score is not None and before.get(example) is not None
    )
    return Evidence(best.candidate, estimate_of(_known(after)), estimate_of(_known(before)), paired(pairs))


def leader(trials: Sequence[Trial]) -> Trial | None:
    """The best full evaluation so far, if it beats the baseline's."""
    base, best = _baseline(trials), best_full(trials)
    beaten = best is not None and (base is None or (best.value or 0.0) > (base.value or 0.0))
    return best if beaten else None


def _baseline(trials: Sequence[Trial]) -> Trial | None:
    return next((trial for trial in trials if trial.kind is TrialKind.BASELINE and trial.value is not None), None)


def no_gain(outcome: Outcome) -> bool:
    """Whether the run ended where it began: its winner is the baseline."""
    if outcome.winner is None:
        return True
    choices = Candidate.parse(outcome.winner).choices
    return choices == Candidate.baseline(len(choices)).choices


def _known(scores: Mapping[str, float | None]) -> tuple[float, ...]:
    return tuple(score for score in scores.values() if score is not None)


# The home page need not wait for scipy; a refresh finds the same cells most times.
@lru_cache(maxsize=64)
def estimate_of(scores: tuple[float, ...]) -> Mapping[str, Any]:
    """Core's `estimate`, kept while the scores are the same."""
    from mipro_studio.optimizer_core.analysis.statistics import estimate

    return estimate(scores)


@lru_cache(maxsize=64)
def paired(pairs: tuple[tuple[float, float], ...]) -> Mapping[str, Any]:
    """Core's `paired_difference`, kept while the pairs are the same."""
    from mipro_studio.optimizer_core.analysis.statistics import paired_difference

    return paired_difference(pairs)
