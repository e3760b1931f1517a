"""The search space: the arms of every kind and owner, and how its points are written down as candidates.

Parameters are named for people: "queue: instruction", "queue: demos". Their values are arm indices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from mipro_studio.optimizer_core.parameters.arm_features import Features
from mipro_studio.optimizer_core.parameters.registry import parameter_name
from mipro_studio.optimizer_core.types import PROGRAM, WHOLE, Candidate

__all__ = ["Parameter", "SearchSpace", "candidate_of"]


@dataclass(frozen=True)
class Parameter:
    """One categorical choice. `arms` are the indices that may be chosen now, in order of index.

    `owner` is a predictor's name, or `PROGRAM`.
    """

    owner: str
    kind: str
    arms: tuple[int, ...]

    @property
    def name(self) -> str:
        return parameter_name(self.owner, self.kind)


class SearchSpace:
    """All parameters with more than one arm; the others keep the seed's arm.

    Args:
        predictors: Names in program order.
        arms: Active arm indices: kind -> owner -> indices. Kinds are listed in this order.
        frozen: Predictors that keep the seed's arms.

    Attributes:
        features: What is in the arms; empty where nobody said.
    """

    def __init__(
        self,
        predictors: Sequence[str],
        arms: Mapping[str, Mapping[str, Sequence[int]]],
        frozen: Sequence[str] = (),
    ) -> None:
        self.predictors = tuple(predictors)
        self.features: Features = {}
        self.parameters = tuple(
            Parameter(owner, kind, tuple(sorted(of_kind[owner])))
            for owner in (*self.predictors, PROGRAM)
            for kind, of_kind in arms.items()
            if owner not in frozen and len(of_kind.get(owner, ())) > 1
        )
        self._slots = {
            parameter_name(owner, kind): (self.place(owner), kind)
            for owner in (*self.predictors, PROGRAM)
            for kind in arms
        }

    def place(self, owner: str) -> int:
        """Where `owner` stands in a candidate."""
        return WHOLE if owner == PROGRAM else self.predictors.index(owner)

    @property
    def size(self) -> int:
        """Number of different candidates."""
        product = 1
        for parameter in self.parameters:
            product *= len(parameter.arms)
        return product

    def candidate(self, values: Mapping[str, int]) -> Candidate:
        """The candidate with `values` by parameter name; parameters not named keep the seed's arm."""
        named = {self._slots[name]: index for name, index in values.items() if name in self._slots}
        return Candidate.of(len(self.predictors), named)

    def values(self, candidate: Candidate) -> dict[str, int]:
        """The candidate's arm for every parameter of the space."""
        return {one.name: candidate.arm(self.place(one.owner), one.kind) for one in self.parameters}

    def random(self, rng: Random) -> Candidate:
        return self.candidate({parameter.name: rng.choice(parameter.arms) for parameter in self.parameters})


def candidate_of(predictors: Sequence[str], chosen: Mapping[tuple[str, str], int]) -> Candidate:
    """The candidate with the arm `chosen[owner, kind]`, and the seed's where nothing is said."""
    places = {PROGRAM: WHOLE} | {name: place for place, name in enumerate(predictors)}
    return Candidate.of(len(predictors), {(places[owner], kind): index for (owner, kind), index in chosen.items()})
