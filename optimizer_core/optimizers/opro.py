"""OPRO for a single predictor (card 4; MIPRO appendix F.2; Yang et al. 2023)."""

from collections.abc import Sequence

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.optimizers.module_opro import ModuleOproUngrounded
from mipro_studio.optimizer_core.programs.program import PredictorInfo

__all__ = ["Opro"]


class Opro(ModuleOproUngrounded):
    """Meta-instructions, the best instructions so far with their scores, and exemplars; one proposal a step."""

    name = "opro"
    summary = "A single predictor's instruction, written again and again from its history of scores."

    def check(self, config: RunConfig, free: Sequence[PredictorInfo]) -> None:
        super().check(config, free)
        if len(free) > 1:
            names = ", ".join(info.name for info in free)
            raise BadInput(
                f"OPRO optimizes one instruction, and this program has {len(free)} free predictors ({names}).",
                "Use module_opro, or freeze all but one.",
            )
