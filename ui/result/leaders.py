"""Which candidate leads while a search goes on, from its trials alone. Pure functions, no Streamlit."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

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
    base = baseline_of(trials)
    if base is None:
        return None
    race = _Race(base, n_val)
    for trial in trials:
        race.add(trial)
    return race.lead.trial if race.lead is not None else None


def leader_path(trials: Sequence[Trial], n_val: int, now: Trial | None = None) -> list[Belief]:
    """The leader after each finished trial, in order of asking; the baseline until one leads.

    Args:
        now: The one that leads in the end, with what is known of it; its trials may have asked for a row twice.
    """
    base = baseline_of(trials)
    if base is None:
        return []
    race = _Race(base, n_val)
    first = _Standing(base, -1)
    path = [_belief(first, base)]
    for trial in trials:
        race.add(trial)
        if trial.done and trial.mean is not None and trial is not base:
            path.append(_belief(race.lead or first, trial))
    if now is not None and path[-1].candidate == now.candidate:
        last = path[-1]
        path[-1] = replace(_belief(_Standing(now, -1), now), program_runs=last.program_runs, number=last.number)
    return path


class _Standing:
    """What is known of a candidate: its latest trial, and its means over all of them.

    Attributes:
        place: Candidates in the order in which they first had a score.
        worth: How far it is above the baseline, drawn to it by `PULL` rows.
    """

    __slots__ = ("latest", "mean", "n", "objective", "place", "worth")

    def __init__(self, first: Trial, place: int) -> None:
        self.place = place
        self.worth = 0.0
        self.take(first)

    def take(self, trial: Trial) -> None:
        """Go by `trial` alone."""
        self.latest, self.mean, self.objective, self.n = trial, trial.mean or 0.0, trial.objective, trial.n_ok

    def join(self, trial: Trial, n_val: int) -> None:
        """Add a trial up with those before, to no more rows than there are."""
        n, more = self.n, trial.n_ok
        self.mean = (self.mean * n + (trial.mean or 0.0) * more) / (n + more)
        both = None if self.objective is None or trial.objective is None else (self.objective, trial.objective)
        self.objective = None if both is None else (both[0] * n + both[1] * more) / (n + more)
        self.latest, self.n = trial, min(n + more, n_val or n + more)

    @property
    def value(self) -> float:
        return self.mean if self.objective is None else self.objective

    @property
    def trial(self) -> Trial:
        return replace(self.latest, mean=self.mean, objective=self.objective, n_ok=self.n)


class _Race:
    """The candidates with a score and the one that leads, as trials come in."""

    def __init__(self, base: Trial, n_val: int) -> None:
        self._start = base.value or 0.0
        self._n_val = n_val
        self._found: dict[str, _Standing] = {}
        self._best: _Standing | None = None

    @property
    def lead(self) -> _Standing | None:
        """None when none is above the baseline."""
        return self._best if self._best is not None and self._best.worth > 0 else None

    def add(self, trial: Trial) -> None:
        """A full evaluation says all of its candidate; other trials add up."""
        if not trial.done or trial.mean is None or trial.kind is TrialKind.BASELINE:
            return
        standing = self._found.get(trial.candidate)
        if standing is None:
            standing = self._found[trial.candidate] = _Standing(trial, len(self._found))
        elif standing.latest.kind is TrialKind.FULL:
            return
        elif trial.kind is TrialKind.FULL:
            standing.take(trial)
        else:
            standing.join(trial, self._n_val)
        before = standing.worth
        standing.worth = (standing.value - self._start) * standing.n / (standing.n + PULL)
        self._best = self._best_after(standing, before)

    def _best_after(self, changed: _Standing, before: float) -> _Standing:
        """All are looked at only where the leader has lost: most searches have hundreds of candidates."""
        best = self._best
        if best is None:
            return changed
        if best is changed:
            return best if changed.worth >= before else max(self._found.values(), key=lambda one: one.worth)
        return max(best, changed, key=lambda one: (one.worth, -one.place))


def _belief(lead: _Standing, after: Trial) -> Belief:
    mean, n = lead.value, lead.n
    low, high = _wilson(mean, n) if 0.0 <= mean <= 1.0 and n else (None, None)
    return Belief(after.program_runs, after.number, lead.latest.candidate, mean, n, low, high)


@lru_cache(maxsize=4096)
def _wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's interval; for scores between 0 and 1 that are not all 0 or 1 it is wider than need be."""
    middle, scale = share + _Z * _Z / (2 * n), 1 + _Z * _Z / n
    half = _Z * math.sqrt(share * (1 - share) / n + _Z * _Z / (4 * n * n))
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
