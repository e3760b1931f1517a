"""0-Shot MIPRO (card 9; MIPRO section 4.4): instructions only, demos are only shown to the proposer."""

import asyncio

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.optimizers.base import Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.mipro import Mipro, n_instructions, write_arms

__all__ = ["GROUNDING_DEMOS", "ZeroShotMipro", "bootstrap_for_proposer"]

GROUNDING_DEMOS = 3
"""Bootstrapped demos in a set that is built for the proposer alone; DSPy adds no labelled ones there."""


async def bootstrap_for_proposer(context: RunContext) -> None:
    """Demo sets that no candidate uses: the proposer is shown what the predictors do."""
    if context.config.proposer.demos:
        await context.bootstrapping.build(context.config.search.candidates, GROUNDING_DEMOS, 0)


class ZeroShotMipro(Mipro):
    name = "zero_shot_mipro"
    reviewed = "the proposed instructions"
    defaults = {"search": {"surrogate": "tpe", "schedule": "minibatch"}}

    def work(self, config: RunConfig, n_free: int) -> Work:
        shown = GROUNDING_DEMOS if config.proposer.demos else 0
        return Work(config.search.trials, (n_instructions(config) - 1) * n_free, True, shown)

    async def initialize(self, context: RunContext) -> None:
        _, grounding = await asyncio.gather(bootstrap_for_proposer(context), context.grounding())
        await write_arms(context, grounding)
