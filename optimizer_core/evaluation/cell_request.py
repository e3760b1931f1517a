"""A request for one cell of the score table, as data alone: it needs nothing of the process that asks."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import dspy

from mipro_studio.optimizer_core.evaluation.program_run import ProgramRun, Purpose, execute
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.types import Cell, CellKey, Example, Role

__all__ = ["CellRequest", "CellRunner"]

MOST_MODULES = 64
"""Programs with a candidate put in that are kept."""


@dataclass(frozen=True, slots=True)
class CellRequest:
    """One program run that is wanted.

    Attributes:
        key: The cell: candidate, split, example and rollout.
        arms: What the candidate puts into the program.
        role: Whose model runs the program: the task model, the teacher, or the task model in the sealed test.
        purpose: What the metric is told and asked.
        priority: Lower goes first.
        limit_s: Seconds that the run and its metric may take once begun; None = as long as they take.
    """

    key: CellKey
    arms: ArmContents
    example: Example
    role: Role = Role.TASK
    purpose: Purpose = Purpose.EVALUATE
    priority: int = 0
    limit_s: float | None = None


class CellRunner:
    """Fills a cell in the thread that asks: puts the candidate into the program, runs it, scores it. Safe in threads.

    Args:
        build: A program with these arms, see `parameters.arms.Arms.build`.
        role_models: The models that requests may name, with the weights (`ArmContents.weights`) that they name.
        folders: Where relative paths in rows (of images, say) are looked up.
    """

    def __init__(
        self,
        build: Callable[[ArmContents], dspy.Module],
        role_models: Callable[[Role, str | None], RoleModel],
        scorer: Scorer,
        folders: tuple[Path, ...] = (),
    ) -> None:
        self._build = build
        self._role_models = role_models
        self._scorer = scorer
        self._folders = folders
        self._modules: dict[str, dspy.Module] = {}
        self._lock = Lock()

    def module(self, arms: ArmContents) -> dspy.Module:
        """The program with `arms`, one for all threads: running a program does not change it."""
        with self._lock:
            made = self._modules.pop(arms.text, None) or self._build(arms)
            self._modules[arms.text] = made  # the latest stands last
            if len(self._modules) > MOST_MODULES:
                del self._modules[next(iter(self._modules))]
            return made

    def __call__(self, request: CellRequest) -> Cell:
        """The cell. A failure is its error class; what ends the run (a cap, a stop) is raised."""
        model = self._role_models(request.role, request.arms.weights)
        module = self.module(request.arms)
        run = ProgramRun(request.key, module, request.example, model, request.purpose, self._folders)
        return execute(run, self._scorer)
