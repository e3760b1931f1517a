"""Bayesian Bootstrap (card 3; MIPRO section 4.4): MIPRO restricted to demo sets, the instructions stay the seed's."""

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.optimizers.base import Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.mipro import Mipro

__all__ = ["BayesianBootstrap"]


class BayesianBootstrap(Mipro):
    """A demo set for each predictor on its own, chosen by the surrogate; the prompt model is never called."""

    name = "bayesian_bootstrap"
    summary = "Demo sets only, one choice a predictor, by multivariate TPE on minibatches."
    searches = ("demos",)
    reviewed = "the demo sets"
    defaults = {"search": {"surrogate": "tpe", "schedule": "minibatch"}}

    def work(self, config: RunConfig, n_free: int) -> Work:
        return Work(config.search.trials, 0, False, config.search.max_bootstrapped)

    async def initialize(self, context: RunContext) -> None:
        await context.bootstrap(context.config.search.candidates)
