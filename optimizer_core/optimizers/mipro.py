"""MIPRO: instructions and demos chosen together by a surrogate (section 4.3, appendix F.5; card 8)."""

import asyncio

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View, Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.search.surrogates import ReplayedTpe, Surrogate, make_surrogate
from mipro_studio.optimizer_core.search.surrogates.base import random_fresh
from mipro_studio.optimizer_core.types import Candidate

__all__ = ["Mipro", "n_instructions"]


def n_instructions(config: RunConfig) -> int:
    """Instructions a predictor, the seed's included; DSPy's presets have half as many as demo sets."""
    return config.search.instructions or config.search.candidates


class Mipro(Optimizer):
    name = "mipro"
    summary = "The paper's: instructions and demos of all predictors, chosen together by TPE on minibatches."
    defaults = {"search": {"surrogate": "tpe", "schedule": "minibatch", "lag": 1, "labels": "random"}}
    reviewed = "the proposed instructions and the demo sets"

    def __init__(self, surrogate: Surrogate | None = None) -> None:
        self._surrogate = surrogate  # without state, but for what saves work

    def work(self, config: RunConfig, n_free: int) -> Work:
        search = config.search
        return Work(search.trials, (n_instructions(config) - 1) * n_free, True, search.max_bootstrapped)

    async def initialize(self, context: RunContext) -> None:
        _, grounding = await asyncio.gather(context.bootstrap(context.config.search.candidates), context.grounding())
        await context.propose(n_instructions(context.config), grounding)

    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        surrogate = self._surrogate = self._surrogate or make_surrogate(context.config.search)
        space = context.space
        # In a thread, so that the arithmetic holds up no evaluation that is under way.
        if not isinstance(surrogate, ReplayedTpe):
            return await asyncio.to_thread(
                surrogate.suggest, space, view.observed, view.pending, view.exhausted, view.seed, view.progress
            )
        if random_fresh(space, view.exhausted, view.seed) is None:
            return None  # all are fully evaluated
        return await asyncio.to_thread(surrogate.next, space, view.observed, view.trial, context.config.seed)
