"""Module-Level OPRO (card 5; MIPRO section 4.2 and appendix F.3), a history for every predictor; and OPRO."""

import asyncio
from collections.abc import Sequence

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View, Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.rounds import best_of, candidate_of_round, history, round_index
from mipro_studio.optimizer_core.optimizers.zero_shot_mipro import GROUNDING_DEMOS, bootstrap_for_proposer
from mipro_studio.optimizer_core.programs.program import PredictorInfo
from mipro_studio.optimizer_core.types import Candidate

__all__ = ["ModuleOpro", "ModuleOproUngrounded", "Opro"]

OPRO = {"search": {"schedule": "full"}, "proposer": {"temperature": 0.7}}
"""The paper's: every trial a full evaluation, the proposer at 0.7."""

IN_ROUNDS = {"search": {"lag": 1}, "proposer": {"history": True}}
"""A round reads the scores of all rounds before it. Concurrency comes from the examples of a full evaluation."""


class ModuleOpro(Optimizer):
    """Each trial writes one instruction for every free predictor from its own history, and tries them together."""

    name = "module_opro"
    defaults = OPRO
    fixed = IN_ROUNDS

    def work(self, config: RunConfig, n_free: int) -> Work:
        shown = GROUNDING_DEMOS if config.proposer.demos else 0
        return Work(config.search.trials, config.search.trials * n_free, True, shown)

    async def initialize(self, context: RunContext) -> None:
        await asyncio.gather(bootstrap_for_proposer(context), context.grounding())

    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        index = round_index(context, view.number)
        histories = {info.name: history(context, info.name, view.observed) for info in context.free}
        await context.propose_more([(info, index) for info in context.free], histories, facts={"round": view.number})
        return candidate_of_round(context, best_of(context, view.observed), index)


class ModuleOproUngrounded(ModuleOpro):
    """OPRO's own components only: demos and history stay, both summaries and the tip go ("-G" in the paper)."""

    name = "module_opro_ungrounded"
    fixed = {
        "search": {"lag": 1},
        "proposer": {"history": True, "dataset_summary": False, "program_summary": False, "tips": []},
    }


class Opro(ModuleOproUngrounded):
    """OPRO for a single predictor (card 4; MIPRO appendix F.2; Yang et al. 2023).

    Meta-instructions, the best instructions so far with their scores, and exemplars; one proposal a step.
    """

    name = "opro"

    def check(self, config: RunConfig, free: Sequence[PredictorInfo]) -> None:
        super().check(config, free)
        if len(free) > 1:
            names = ", ".join(info.name for info in free)
            raise BadInput(
                f"OPRO optimizes one instruction, and this program has {len(free)} free predictors ({names}).",
                "Use module_opro, or freeze all but one.",
            )
