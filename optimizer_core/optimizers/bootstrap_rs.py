"""Bootstrap random search (card 2; MIPRO section 4.1) and Bayesian Bootstrap: which bootstrapped demo set is best."""

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View, Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.mipro import Mipro
from mipro_studio.optimizer_core.parameters.demos import BY_A_PERSON, made_how
from mipro_studio.optimizer_core.parameters.space import candidate_of
from mipro_studio.optimizer_core.types import DEMOS, SEED_ARM, Candidate

__all__ = ["BayesianBootstrap", "BootstrapRandomSearch"]


class BootstrapRandomSearch(Optimizer):
    """One bootstrap gives every predictor its demos, so a candidate takes the same set index everywhere (DSPy).

    The sets come in DSPy's order: labels only, the rows as they stand, then shuffled ones of random size. What is
    random is how a set is built; when all are evaluated, an order drawn on top of it would change nothing.
    """

    name = "bootstrap_rs"
    defaults = {"search": {"labels": "random"}}
    fixed = {"search": {"schedule": "full"}}
    reviewed = "the demo sets"

    def work(self, config: RunConfig, n_free: int) -> Work:
        search = config.search
        return Work(min(search.trials, search.candidates - 1), 0, False, search.max_bootstrapped)

    async def initialize(self, context: RunContext) -> None:
        await context.bootstrapping.build(context.config.search.candidates)

    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        tried = {seen.candidate for seen in view.observed} | set(view.pending)
        for index in _different_sets(context):
            candidate = candidate_of(context.arms.names, {(info.name, DEMOS): index for info in context.free})
            if candidate not in tried and candidate.id not in view.exhausted:
                return candidate
        return None


def _different_sets(context: RunContext) -> list[int]:
    """Set indices in order, without those whose demos an earlier set has for every free predictor.

    Where few traces pass, shuffled sets repeat each other; a repeated one would be paid for to learn nothing.
    """
    sets = [context.arms.demo_sets[info.name] for info in context.free]
    active = [
        {index for index, arm in of_predictor.items() if arm.active and made_how(arm) != BY_A_PERSON}
        for of_predictor in sets
    ]
    seen: list[list[object]] = []
    different = []
    for index in sorted(set.intersection(*active)):
        demos: list[object] = [of_predictor[index].demos for of_predictor in sets]
        if demos not in seen:
            seen.append(demos)
            different.append(index)
    return [index for index in different if index != SEED_ARM]


class BayesianBootstrap(Mipro):
    """Card 3; MIPRO section 4.4: MIPRO restricted to demo sets, the instructions stay the seed's.

    A demo set for each predictor on its own, chosen by the surrogate; the prompt model is never called.
    """

    name = "bayesian_bootstrap"
    reviewed = "the demo sets"
    defaults = {"search": {"surrogate": "tpe", "schedule": "minibatch"}}

    def work(self, config: RunConfig, n_free: int) -> Work:
        return Work(config.search.trials, 0, False, config.search.max_bootstrapped)

    async def initialize(self, context: RunContext) -> None:
        await context.bootstrapping.build(context.config.search.candidates)
