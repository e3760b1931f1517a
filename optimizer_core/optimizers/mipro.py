"""MIPRO: instructions and demos chosen together by a surrogate (section 4.3, appendix F.5; card 8)."""

import asyncio

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View, Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.parameters.tools import TOOLS
from mipro_studio.optimizer_core.proposers.grounding import SharedContext
from mipro_studio.optimizer_core.proposers.tool_proposals import propose_tools
from mipro_studio.optimizer_core.search.surrogates import ReplayedTpe, Surrogate, make_surrogate
from mipro_studio.optimizer_core.search.surrogates.base import random_fresh
from mipro_studio.optimizer_core.types import SEED_ARM, TEACHER, Candidate, Phase, Split

__all__ = ["Mipro", "n_instructions", "write_arms"]


def n_instructions(config: RunConfig) -> int:
    """Instructions a predictor, the seed's included; DSPy's presets have half as many as demo sets."""
    return config.search.instructions or config.search.candidates


async def write_arms(context: RunContext, grounding: SharedContext) -> None:
    """Have instructions written, and whatever else of words is searched; demo sets are there already."""
    n = n_instructions(context.config)
    await context.propose(n, grounding)
    await _add_tool_descriptions(context, n)


async def _add_tool_descriptions(context: RunContext, n: int) -> None:
    """Have tool descriptions 1..n-1 written for every agent that is not frozen, where the run searches them.

    Call it when demos are bootstrapped: the proposer is shown how the tools were used.
    """
    owners = [info for info in context.free if context.arms.of(info.name, TOOLS)]
    if TOOLS not in context.searches or not owners:
        return
    grounding = await context.grounding()
    cells = list(context.table.row(TEACHER, Split.TRAIN).values())
    wanted = [(info, index) for info in owners for index in range(1, n)]
    await context.announce(Phase.PROPOSE, 0, len(wanted), note="tool descriptions")
    proposals = await asyncio.gather(
        *(
            propose_tools(
                context.proposer, info, index, context.arms.of(info.name, TOOLS)[SEED_ARM], grounding, cells
            )
            for info, index in wanted
        )
    )
    await context.add_proposals(proposals)


class Mipro(Optimizer):
    name = "mipro"
    defaults = {"search": {"surrogate": "tpe", "schedule": "minibatch", "lag": 1, "labels": "random"}}
    reviewed = "the proposed instructions and the demo sets"

    def __init__(self, surrogate: Surrogate | None = None) -> None:
        self._surrogate = surrogate  # without state, but for what saves work

    def work(self, config: RunConfig, n_free: int) -> Work:
        search = config.search
        return Work(search.trials, (n_instructions(config) - 1) * n_free, True, search.max_bootstrapped)

    async def initialize(self, context: RunContext) -> None:
        _, grounding = await asyncio.gather(
            context.bootstrapping.build(context.config.search.candidates), context.grounding()
        )
        await write_arms(context, grounding)

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
