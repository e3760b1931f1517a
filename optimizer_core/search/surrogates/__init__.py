"""Surrogates: models of the score over candidates that say which candidate to try next.

A surrogate has no state of its own. A suggestion is a function of the space, what was observed, what is under
way, and a seed: resuming needs no pickle, arms may be added at any time, and the same run gives the same trials.
"""

from collections.abc import Callable, Mapping

from mipro_studio.optimizer_core.config import SearchSettings
from mipro_studio.optimizer_core.search.surrogates.base import Observation, Surrogate
from mipro_studio.optimizer_core.search.surrogates.item_response import ItemResponse
from mipro_studio.optimizer_core.search.surrogates.random_search import RandomSearch
from mipro_studio.optimizer_core.search.surrogates.tpe import ReplayedTpe, TpeSurrogate

__all__ = [
    "SURROGATES",
    "ItemResponse",
    "Observation",
    "RandomSearch",
    "ReplayedTpe",
    "Surrogate",
    "TpeSurrogate",
    "make_surrogate",
]


def _tpe(settings: SearchSettings) -> Surrogate:
    """The paper's but in a race, and MIPROv2's where a trial knows all before it."""
    if settings.schedule == "racing":
        return TpeSurrogate()
    return ReplayedTpe() if settings.lag == 1 else TpeSurrogate(shrink=False)


SURROGATES: Mapping[str, Callable[[SearchSettings], Surrogate]] = {
    "tpe": _tpe,
    "item_response": lambda settings: ItemResponse(),
    "random": lambda settings: RandomSearch(),
}
"""How each surrogate of the catalogue is made. `tests/optimizer_core/search/test_surrogates.py` tries all of them."""


def make_surrogate(settings: SearchSettings) -> Surrogate:
    """The surrogate that `settings` ask for."""
    return SURROGATES[settings.surrogate](settings)
