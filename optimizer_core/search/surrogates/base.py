"""What every surrogate is asked, and what it is told."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.seeds import generator
from mipro_studio.optimizer_core.types import Candidate

__all__ = ["Observation", "Surrogate", "by_candidate", "random_fresh", "spread_fresh"]

FEW = 10_000
"""Spaces up to this size are listed in full when random draws find nothing fresh."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Mean score of one finished trial's candidate over the `n` cells of it that have a score.

    `scores` holds those cells by example id: all of the candidate that finished trials asked for, so that two
    observations of one candidate carry the same. Errors are in neither.

    Attributes:
        own: Mean over the cells that this trial asked for, which is what the paper and DSPy tell TPE; None = `mean`.
        number: The trial's number.
        suggested: False for the baseline, and for a full evaluation that a schedule added to the trial before it.
        full: The trial was a full evaluation.
        answers: By row: (place of the predictor, what it answered), in the order of calls; see `surrogates.credit`.
    """

    candidate: Candidate
    mean: float
    n: int
    scores: Mapping[str, float] = field(default_factory=dict)
    own: float | None = None
    number: int = 0
    suggested: bool = True
    full: bool = False
    answers: Mapping[str, Sequence[tuple[int, str]]] = field(default_factory=dict)

    @property
    def told(self) -> float:
        """The trial's own mean."""
        return self.mean if self.own is None else self.own


class Surrogate(Protocol):
    """A model of the score over candidates. Without state: a suggestion depends on the arguments alone."""

    def suggest(
        self,
        space: SearchSpace,
        observed: Sequence[Observation],
        pending: Sequence[Candidate],
        exhausted: frozenset[str],
        seed: int,
        progress: float = 0.0,
    ) -> Candidate | None:
        """The next candidate to evaluate; it may be one that was seen before and has cells left to ask for.

        Args:
            observed: Finished trials in order; higher means are better.
            pending: Candidates that are being evaluated.
            exhausted: Ids of candidates about which nothing more can be learned (fully evaluated).
            seed: Fixes every draw.
            progress: Share of the search that is spent, from 0 to 1; a model may dare less towards the end.

        Returns:
            None when every candidate of the space is exhausted.
        """


def by_candidate(observed: Sequence[Observation]) -> dict[str, Observation]:
    """The latest observation of every candidate, in the order first seen."""
    return {seen.candidate.id: seen for seen in observed}


def random_fresh(space: SearchSpace, exhausted: frozenset[str], seed: int) -> Candidate | None:
    """A random candidate that is not exhausted; None when there is none left."""
    rng = generator(seed, "random")
    for _ in range(200):
        candidate = space.random(rng)
        if candidate.id not in exhausted:
            return candidate
    if space.size > FEW:
        return None  # 200 draws from so large a space do not all hit exhausted candidates by chance
    fresh = [candidate for candidate in _everything(space) if candidate.id not in exhausted]
    return rng.choice(fresh) if fresh else None


def spread_fresh(
    space: SearchSpace, tried: Sequence[Candidate], exhausted: frozenset[str], seed: int
) -> Candidate | None:
    """A random candidate of arms that `tried` has least; None when every candidate is exhausted.

    One after the other such candidates fill a Latin hypercube (McKay, Beckman and Conover 1979): no arm comes a
    second time before all of its kind came once.
    """
    rng = generator(seed, "spread")
    chosen = {}
    for one in space.parameters:
        times = Counter(space.values(candidate)[one.name] for candidate in tried)
        least = min(times[arm] for arm in one.arms)
        chosen[one.name] = rng.choice([arm for arm in one.arms if times[arm] == least])
    candidate = space.candidate(chosen)
    return candidate if candidate.id not in exhausted else random_fresh(space, exhausted, seed)


def _everything(space: SearchSpace) -> list[Candidate]:
    points: list[dict[str, int]] = [{}]
    for parameter in space.parameters:
        points = [{**point, parameter.name: arm} for point in points for arm in parameter.arms]
    return [space.candidate(point) for point in points]
