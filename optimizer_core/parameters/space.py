"""The search space: predictor x {instruction, demos}, and how its points are written down as candidates.

Parameters are named for people: "queue: instruction", "queue: demos". Their values are arm indices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from mipro_studio.optimizer_core.parameters.arm_features import Features
from mipro_studio.optimizer_core.types import SEED_ARM, Candidate

__all__ = ["KINDS", "Parameter", "SearchSpace"]

KINDS = ("instruction", "demos")


@dataclass(frozen=True)
class Parameter:
    """One categorical choice. `arms` are the indices that may be chosen now, in order of index."""

    predictor: str
    kind: str
    arms: tuple[int, ...]

    @property
    def name(self) -> str:
        return f"{self.predictor}: {self.kind}"


class SearchSpace:
    """All parameters with more than one arm; the others keep the seed's arm.

    Args:
        predictors: Names in program order.
        instructions, demo_sets: Active arm indices by predictor.
        frozen: Predictors that keep the seed's arms.

    Attributes:
        features: What is in the arms; empty where nobody said.
    """

    def __init__(
        self,
        predictors: Sequence[str],
        instructions: Mapping[str, Sequence[int]],
        demo_sets: Mapping[str, Sequence[int]],
        frozen: Sequence[str] = (),
    ) -> None:
        self.predictors = tuple(predictors)
        self.features: Features = {}
        choices = zip(KINDS, (instructions, demo_sets), strict=True)
        everything = [
            Parameter(name, kind, tuple(sorted(arms.get(name, ()))))
            for kind, arms in choices
            for name in self.predictors
            if name not in frozen
        ]
        self.parameters = tuple(
            sorted(
                (parameter for parameter in everything if len(parameter.arms) > 1),
                key=lambda parameter: (self.predictors.index(parameter.predictor), KINDS.index(parameter.kind)),
            )
        )

    @property
    def size(self) -> int:
        """Number of different candidates."""
        product = 1
        for parameter in self.parameters:
            product *= len(parameter.arms)
        return product

    def candidate(self, values: Mapping[str, int]) -> Candidate:
        """The candidate with `values` by parameter name; parameters not named keep the seed's arm."""
        return Candidate(
            tuple(
                (values.get(f"{name}: {KINDS[0]}", SEED_ARM), values.get(f"{name}: {KINDS[1]}", SEED_ARM))
                for name in self.predictors
            )
        )

    def values(self, candidate: Candidate) -> dict[str, int]:
        """The candidate's arm for every parameter of the space."""
        by_name = dict(zip(self.predictors, candidate.choices, strict=True))
        return {
            parameter.name: by_name[parameter.predictor][KINDS.index(parameter.kind)] for parameter in self.parameters
        }

    def random(self, rng: Random) -> Candidate:
        return self.candidate({parameter.name: rng.choice(parameter.arms) for parameter in self.parameters})
