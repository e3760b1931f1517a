"""The weights of a candidate: which tuning its task model's weights come from. They belong to the whole program."""

from collections.abc import Collection
from dataclasses import replace

from mipro_studio.optimizer_core.types import Candidate

__all__ = ["weights_of", "with_demo_set", "with_weights"]


def weights_of(candidate: Candidate) -> int:
    """Number of the tuning; 0 for the weights that the model came with."""
    return candidate.weights


def with_weights(candidate: Candidate, number: int) -> Candidate:
    """The same prompts on the weights of a tuning."""
    return replace(candidate, weights=number)


def with_demo_set(candidate: Candidate, index: int, places: Collection[int]) -> Candidate:
    """The same with the demo set `index` for the predictors at `places` in the program."""
    choices = [
        (instruction, index if place in places else demos)
        for place, (instruction, demos) in enumerate(candidate.choices)
    ]
    return replace(candidate, choices=tuple(choices))
