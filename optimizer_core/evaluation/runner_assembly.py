"""What runs the program, put together from a run's settings: each process that fills cells does so for itself."""

from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

import dspy

from mipro_studio.optimizer_core.config import JUDGE, RunConfig
from mipro_studio.optimizer_core.evaluation.cell_request import CellRunner
from mipro_studio.optimizer_core.metrics.judge import judge_scorer
from mipro_studio.optimizer_core.metrics.loading import load_metric
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.models.role_models import build_role_model, chosen_models, with_tuned
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.types import PROGRAM, Role

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
    role_models = _RoleModels(config, program, meter)
    for role in _RUNS_PROGRAM:
        role_models(role, None)  # what cannot be had is heard of here
    arms = Arms(program, chosen_models(config, program), config.folders)
    build = _with_own_weights(arms.put_in, config, program)
    return CellRunner(build, role_models, _scorer(config, program, base, meter), config.folders)


def _with_own_weights(
    put_in: Callable[[ArmContents], dspy.Module], config: RunConfig, program: Program
) -> Callable[[ArmContents], dspy.Module]:
    """`put_in`, with the tuned models of predictors that have weights of their own; made once for equal weights."""
    made: dict[tuple[tuple[str, str], ...], Mapping[str, dspy.BaseLM]] = {}

    def build(contents: ArmContents) -> dspy.Module:  # `CellRunner` builds one program at a time
        module = put_in(contents)
        tuned = {owner: one for owner, one in contents.tuned.items() if owner != PROGRAM}
        if tuned:
            key = tuple(sorted(tuned.items()))
            if key not in made:
                made[key] = chosen_models(with_tuned(config, tuned), program)
            for name, predictor in module.named_predictors():
                predictor.lm = made[key][name] if name in tuned else predictor.lm
        return module

    return build


class _RoleModels:
    """Models by role and weights, made when they are first asked for. Safe in threads."""

    def __init__(self, config: RunConfig, program: Program, meter: Meter) -> None:
        self._config, self._program, self._meter = config, program, meter
        self._made: dict[tuple[Role, str | None], RoleModel] = {}
        self._lock = Lock()

    def __call__(self, role: Role, weights: str | None) -> RoleModel:
        with self._lock:
            if (role, weights) not in self._made:
                self._made[role, weights] = self._make(role, weights)
            return self._made[role, weights]

    def _make(self, role: Role, weights: str | None) -> RoleModel:
        config = self._config if weights is None else with_tuned(self._config, {PROGRAM: weights})
        spec = config.model_for(_RUNS_PROGRAM[role])
        return build_role_model(spec, role, self._meter, config, self._program)


def _scorer(config: RunConfig, program: Program, base: Path, meter: Meter) -> Scorer:
    if config.metric != JUDGE:
        return load_metric(config.metric, program, base, config.data.labels)
    judge = build_role_model(config.model_for(Role.JUDGE), Role.JUDGE, meter, config, program)
    return judge_scorer(config, judge)
