"""Every candidate alike. The baseline that a surrogate has to beat."""

from collections.abc import Sequence

from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.search.surrogates.base import Observation, random_fresh
from mipro_studio.optimizer_core.types import Candidate

__all__ = ["RandomSearch"]


class RandomSearch:
    """Draws with replacement among candidates that are not exhausted."""

    def suggest(
        self,
        space: SearchSpace,
        observed: Sequence[Observation],
        pending: Sequence[Candidate],
        exhausted: frozenset[str],
        seed: int,
        progress: float = 0.0,
    ) -> Candidate | None:
        return random_fresh(space, exhausted, seed)
