"""The weights of a candidate: which tuning its task model's weights come from. They belong to the whole program."""

from collections.abc import Collection

from mipro_studio.optimizer_core.types import DEMOS, WHOLE, Candidate

__all__ = ["weights_of", "with_demo_set", "with_weights"]

WEIGHTS = "weights"


def weights_of(candidate: Candidate) -> int:
    """Number of the tuning; 0 for the weights that the model came with."""
    return candidate.arm(WHOLE, WEIGHTS)


def with_weights(candidate: Candidate, number: int) -> Candidate:
    """The same prompts on the weights of a tuning."""
    return candidate.having({(WHOLE, WEIGHTS): number})


def with_demo_set(candidate: Candidate, index: int, places: Collection[int]) -> Candidate:
    """The same with the demo set `index` for the predictors at `places` in the program."""
    return candidate.having({(place, DEMOS): index for place in places})
