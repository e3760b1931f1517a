"""Surrogates: models of the score over candidates that say which candidate to try next.

A surrogate has no state of its own. A suggestion is a function of the space, what was observed, what is under
way, and a seed: resuming needs no pickle, arms may be added at any time, and the same run gives the same trials.
"""

from mipro_studio.optimizer_core.config import SearchSettings
from mipro_studio.optimizer_core.search.surrogates.base import Observation, Surrogate
from mipro_studio.optimizer_core.search.surrogates.item_response import ItemResponse
from mipro_studio.optimizer_core.search.surrogates.random_search import RandomSearch
from mipro_studio.optimizer_core.search.surrogates.tpe import ReplayedTpe, TpeSurrogate

__all__ = [
    "ItemResponse",
    "Observation",
    "RandomSearch",
    "ReplayedTpe",
    "Surrogate",
    "TpeSurrogate",
    "make_surrogate",
]


def make_surrogate(settings: SearchSettings) -> Surrogate:
    """The surrogate that `settings` ask for. TPE is the paper's but in a race, and MIPROv2's where a trial knows all
    before it."""
    match settings.surrogate:
        case "tpe" if settings.schedule == "racing":
            return TpeSurrogate()
        case "tpe":
            return ReplayedTpe() if settings.lag == 1 else TpeSurrogate(shrink=False)
        case "random":
            return RandomSearch()
        case _:
            return ItemResponse()
