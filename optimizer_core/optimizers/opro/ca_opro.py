"""CA-OPRO (card 7; MIPRO section 4.5): greedy coordinate ascent, one predictor at a time."""

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.optimizers.base import View, Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.opro.module_opro import ModuleOpro
from mipro_studio.optimizer_core.optimizers.rounds import best_of, history, put_in
from mipro_studio.optimizer_core.types import Candidate

__all__ = ["CoordinateAscentOpro"]


class CoordinateAscentOpro(ModuleOpro):
    """For d in 1..D, for each free predictor: write N instructions from its history, try each with all else as it
    is, keep the best. N is `breadth` and D is `depth`; the paper gives neither, DSPy's COPRO has 10 and 3.
    """

    name = "ca_opro"

    def work(self, config: RunConfig, n_free: int) -> Work:
        search = config.search
        trials = min(search.trials, search.depth * n_free * search.breadth)
        stages = -(-trials // search.breadth)
        return Work(trials, stages * search.breadth, True, super().work(config, n_free).bootstrapped)

    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        search, free = context.config.search, context.free
        stage, place = divmod(view.number - 1, search.breadth)
        if stage >= search.depth * len(free):
            return None
        info = free[stage % len(free)]
        arms = context.arms.instructions[info.name]
        written = sorted(arm.index for arm in arms.values() if arm.provenance.get("stage") == stage)
        if not written:
            first = max(arms) + 1
            written = list(range(first, first + search.breadth))
            # The others were ever better: only the best program that an instruction was in says what it is worth.
            past = {info.name: history(context, info.name, view.observed, max)}
            await context.propose_more([(info, index) for index in written], past, facts={"stage": stage})
        best = best_of(context, view.observed)
        found = context.usable(info.name, written[place])
        return best if found is None else put_in(context, best, {info.name: found})
