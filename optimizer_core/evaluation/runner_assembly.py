"""What runs the program, put together from a run's settings: each process that fills cells does so for itself."""

from pathlib import Path

from mipro_studio.optimizer_core.config import JUDGE, RunConfig
from mipro_studio.optimizer_core.evaluation.cell_request import CellRunner
from mipro_studio.optimizer_core.metrics.judge import judge_scorer
from mipro_studio.optimizer_core.metrics.loading import load_metric
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_models import build_role_model, chosen_models
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.types import Role

__all__ = ["build_runner"]

_RUNS_PROGRAM = {Role.TASK: Role.TASK, Role.TEACHER: Role.TEACHER, Role.TEST: Role.TASK}
"""Role -> the role whose model the settings name for it."""


def build_runner(config: RunConfig, program: Program, base: Path, meter: Meter) -> CellRunner:
    """What fills the cells of a run in this process.

    Args:
        config: The settings, as resolved for this program.
        base: Folder that the metric's path is relative to.
        meter: Admits and counts every call of a model.

    Raises:
        BadInput: a model or the metric cannot be had.
    """
    role_models = {
        role: build_role_model(config.model_for(spec_of), role, meter, config, program)
        for role, spec_of in _RUNS_PROGRAM.items()
    }
    arms = Arms(program, chosen_models(config, program), config.folders)
    return CellRunner(arms.put_in, role_models, _scorer(config, program, base, meter), config.folders)


def _scorer(config: RunConfig, program: Program, base: Path, meter: Meter) -> Scorer:
    if config.metric != JUDGE:
        return load_metric(config.metric, program, base, config.data.labels)
    judge = build_role_model(config.model_for(Role.JUDGE), Role.JUDGE, meter, config, program)
    return judge_scorer(config, judge)
