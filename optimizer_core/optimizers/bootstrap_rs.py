"""Bootstrap random search (card 2; MIPRO section 4.1): the only question is which bootstrapped demo set is best."""

from optimizer_core.config import RunConfig
from optimizer_core.kit import Kit
from optimizer_core.optimizers.base import Optimizer, View, Work
from optimizer_core.seeds import generator
from optimizer_core.types import SEED_ARM, Candidate

__all__ = ["BootstrapRandomSearch"]


class BootstrapRandomSearch(Optimizer):
    """One bootstrap gives every predictor its demos, so a candidate takes the same set index everywhere (DSPy)."""

    name = "bootstrap_rs"
    summary = "Demo sets only: each bootstrapped set once, in random order, on the whole validation set."
    searches = ("demos",)
    defaults = {"search": {"schedule": "full"}}

    def work(self, config: RunConfig, n_free: int) -> Work:
        search = config.search
        return Work(min(search.trials, search.candidates - 1), 0, False, search.max_bootstrapped)

    async def initialize(self, kit: Kit) -> None:
        await kit.bootstrap(kit.config.search.candidates)

    async def propose(self, kit: Kit, view: View) -> Candidate | None:
        free = {info.name for info in kit.free}
        active = [{arm.index for arm in kit.arms.demo_sets[name].values() if arm.active} for name in sorted(free)]
        order = sorted(set.intersection(*active) - {SEED_ARM})
        generator(kit.config.seed, "bootstrap_rs").shuffle(order)
        if view.number > len(order):
            return None
        index = order[view.number - 1]
        return Candidate(tuple((SEED_ARM, index if name in free else SEED_ARM) for name in kit.arms.names))
