"""Which candidate leads while a search goes on, from its trials alone. Pure functions, no Streamlit."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mipro_studio.optimizer_core.types import Trial, TrialKind

__all__ = ["Belief", "baseline_of", "candidates_tried", "leader_path", "leading"]

PULL = 6
"""Rows like the baseline's mean that every candidate is credited with: 1.00 on 3 rows does not lead 0.95 on 40."""
_Z = 1.645


@dataclass(frozen=True, slots=True)
class Belief:
    """The leader after a trial: its mean over `n` rows, with a 90 % interval that stays within 0 and 1.

    `mean` is of the objective where that is not the score.

    `low` and `high` are None where scores are not within 0 and 1: trials keep no spread.
    """

    program_runs: int
    number: int
    candidate: str
    mean: float
    n: int
    low: float | None
    high: float | None


def baseline_of(trials: Iterable[Trial]) -> Trial | None:
    """The baseline's full evaluation once it has a score."""
    return next((trial for trial in trials if trial.kind is TrialKind.BASELINE and trial.mean is not None), None)


def candidates_tried(trials: Iterable[Trial]) -> int:
    """Candidates other than the baseline of which a trial has a score: the count that every page gives."""
    return len({trial.candidate for trial in trials if trial.kind is not TrialKind.BASELINE and trial.n_ok})


def leading(trials: Sequence[Trial], n_val: int) -> Trial | None:
    """The candidate with the best mean of the objective so far, pulled to the baseline's by `PULL` rows.

    As its latest trial, with means and `n_ok` over all its trials; None when none is above the baseline.
    """
    found: dict[str, Trial] = {}
    for trial in trials:
        _add(found, trial, n_val)
    return _first(found, baseline_of(trials))


def leader_path(trials: Sequence[Trial], n_val: int, now: Trial | None = None) -> list[Belief]:
    """The leader after each finished trial, in order of asking; the baseline until one leads.

    Args:
        now: The one that leads in the end, with what is known of it; its trials may have asked for a row twice.
    """
    base = baseline_of(trials)
    if base is None:
        return []
    found: dict[str, Trial] = {}
    path = [_belief(base, base)]
    for trial in trials:
        _add(found, trial, n_val)
        if trial.done and trial.mean is not None and trial is not base:
            path.append(_belief(_first(found, base) or base, trial))
    if now is not None and path[-1].candidate == now.candidate:
        path[-1] = replace(_belief(now, now), program_runs=path[-1].program_runs, number=path[-1].number)
    return path


def _add(found: dict[str, Trial], trial: Trial, n_val: int) -> None:
    """A full evaluation says all of its candidate; other trials add up, to no more rows than there are."""
    if not trial.done or trial.mean is None or trial.kind is TrialKind.BASELINE:
        return
    before = found.get(trial.candidate)
    if before is not None and before.kind is TrialKind.FULL:
        return
    if before is not None and trial.kind is not TrialKind.FULL:
        n = before.n_ok + trial.n_ok
        mean = _together(before.mean, before.n_ok, trial.mean, trial.n_ok)
        objective = _together(before.objective, before.n_ok, trial.objective, trial.n_ok)
        trial = replace(trial, mean=mean, objective=objective, n_ok=min(n, n_val or n))
    found[trial.candidate] = trial


def _together(first: float | None, n: int, second: float | None, m: int) -> float | None:
    return None if first is None or second is None else (first * n + second * m) / (n + m)


def _first(found: dict[str, Trial], base: Trial | None) -> Trial | None:
    start = (base.value or 0.0) if base is not None else 0.0

    def pulled(trial: Trial) -> float:
        return ((trial.value or 0.0) - start) * trial.n_ok / (trial.n_ok + PULL)

    best = max(found.values(), key=pulled, default=None)
    return best if best is not None and base is not None and pulled(best) > 0 else None


def _belief(lead: Trial, after: Trial) -> Belief:
    mean, n = lead.value or 0.0, lead.n_ok
    low, high = _wilson(mean, n) if 0.0 <= mean <= 1.0 and n else (None, None)
    return Belief(after.program_runs, after.number, lead.candidate, mean, n, low, high)


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's interval; for scores between 0 and 1 that are not all 0 or 1 it is wider than need be."""
    middle, scale = share + _Z * _Z / (2 * n), 1 + _Z * _Z / n
    half = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
