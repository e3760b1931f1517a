"""MIPRO++ in full (MIPRO section 4.4): the proposer's switches and the bootstrapping are searched together.

The paper describes it and reports no run of it; what the bootstrapping's variables are is the studio's reading.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.optimizers.base import Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.zero_shot_mipro_pp import ZeroShotMiproPlus, free_sets
from mipro_studio.optimizer_core.parameters.space import candidate_of
from mipro_studio.optimizer_core.proposers.bootstrap import SetPlan, plan_sets
from mipro_studio.optimizer_core.proposers.switch_variables import NUMBER, SEED, bootstrap_space, switch_space
from mipro_studio.optimizer_core.types import DEMOS, Candidate, Split

__all__ = ["MiproPlus"]


class MiproPlus(ZeroShotMiproPlus):
    """Also the number of demos (0 to `max_bootstrapped`) and the seed of the bootstrap, one of `candidates` - 1.

    A set of each seed is built at once and can be shown to the proposer; smaller ones are built when a trial asks
    for them, from teacher runs that are already paid for. One bootstrap gives all predictors their demos.
    """

    name = "mipro_pp"
    takes = ("instruction",)  # which demo sets there are is one of its variables

    def work(self, config: RunConfig, n_free: int) -> Work:
        search = config.search
        return Work(search.trials, search.trials * n_free, True, search.max_bootstrapped)

    async def initialize(self, context: RunContext) -> None:
        largest = context.config.search.max_bootstrapped
        plans = [_plan(context, seed, largest) for seed in range(1, _seeds(context) + 1)]
        building = context.bootstrapping.build_sets(plans, largest) if largest else asyncio.sleep(0)
        await asyncio.gather(building, context.grounding())

    def variables(self, context: RunContext) -> dict[str, BaseDistribution]:
        switches = switch_space(context.config.proposer, free_sets(context), range(1, _seeds(context) + 1))
        return switches | bootstrap_space(context.config.search.max_bootstrapped, _seeds(context))

    async def base(self, context: RunContext, values: Mapping[str, Any]) -> Candidate:
        number, seed = values.get(NUMBER, 0), values.get(SEED, 1)
        if number == 0:
            return context.baseline
        plan = _plan(context, seed, number)
        await context.bootstrapping.build_sets([plan], number, announce=False)
        return candidate_of(context.arms.names, {(info.name, DEMOS): plan.index for info in context.free})


def _seeds(context: RunContext) -> int:
    return max(1, context.config.search.candidates - 1)


def _plan(context: RunContext, seed: int, number: int) -> SetPlan:
    """`number` demos by bootstrap `seed`: the first so many of the set that the seed builds at its largest."""
    largest = context.config.search.max_bootstrapped
    order = plan_sets(len(context.examples[Split.TRAIN]), seed + 2, largest, 0, context.config.seed)[-1].order
    index = seed if number == largest else _seeds(context) + (seed - 1) * (largest - 1) + number
    return SetPlan(index, "shuffled", order, number)
