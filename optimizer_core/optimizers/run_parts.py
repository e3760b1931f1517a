"""The parts that a run is put together from, and what is done with them: arms added, cells asked for, news told."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.evaluation.evaluator import Evaluator
from mipro_studio.optimizer_core.evaluation.journal import Journal
from mipro_studio.optimizer_core.evaluation.objective import Objective, objective_of
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.finetuning.tuner import Tuner
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.parameters.arm_features import Features, RowClasses, features_of, row_classes
from mipro_studio.optimizer_core.parameters.arms import Arms, require_predictors
from mipro_studio.optimizer_core.parameters.edits import EditableArms
from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.parameters.weights import weights_arms
from mipro_studio.optimizer_core.programs.program import PredictorInfo, Program
from mipro_studio.optimizer_core.proposers.proposer import Proposer
from mipro_studio.optimizer_core.types import (
    DEMOS,
    INSTRUCTION,
    Arm,
    Candidate,
    Cell,
    Event,
    EventKind,
    Example,
    Phase,
    Role,
    Split,
    Tuning,
    TuningState,
)

__all__ = ["RunParts"]


@dataclass(eq=False)
class RunParts:
    """The parts of a run, put together by `optimizer_core.runs.assembly`. Belongs to the run's event loop.

    Attributes:
        searches: The kinds of arms that candidates differ in, as the optimizer says.
        takes: The kinds that a person may add to.
        drops: The optimizer can do without an arm that a person takes out.
        approvals: How many times a person has said go at a review gate.
        tuner: Tunes the task model's weights, where the optimizer does.
        tunings: By number, as far as they are on record.
    """

    config: RunConfig
    program: Program
    examples: dict[Split, list[Example]]
    arms: Arms
    table: ScoreTable
    journal: Journal
    recorder: Recorder
    evaluator: Evaluator
    proposer: Proposer
    meter: Meter
    approvals: int = 0
    tuner: Tuner | None = None
    searches: Sequence[str] = (INSTRUCTION, DEMOS)
    takes: Sequence[str] = (INSTRUCTION, DEMOS)
    drops: bool = True
    tunings: dict[int, Tuning] = field(default_factory=dict, init=False)
    _described: tuple[object, Features] | None = field(default=None, init=False)

    @property
    def free(self) -> list[PredictorInfo]:
        """The predictors that are not frozen, in program order."""
        return [info for info in self.program.predictors if info.name not in self.config.search.freeze]

    @property
    def objective(self) -> Objective:
        """What the search maximizes."""
        return objective_of(self.config.objective)

    @property
    def baseline(self) -> Candidate:
        return Candidate.baseline(len(self.arms.names))

    @property
    def space(self) -> SearchSpace:
        """All active arms as they stand now, of the kinds that are searched."""
        active = {
            kind: {
                owner: [arm.index for arm in of_owner.values() if arm.active]
                for owner, of_owner in self.arms.by_kind[kind].items()
            }
            for kind in KINDS
            if kind in self.searches
        }
        space = SearchSpace(self.arms.names, active, self.config.search.freeze)
        if self.config.search.surrogate == "item_response":
            space.features = self._features
        return space

    @cached_property
    def row_classes(self) -> RowClasses:
        """What the rows of the training and the validation set are labelled with."""
        return row_classes(self.examples.get(Split.TRAIN, ()), self.examples.get(Split.VAL, ()))

    @property
    def _features(self) -> Features:
        """What is in the arms, worked out anew when there are others."""
        tables = self.arms.by_kind
        there = tuple((kind, owner, *of_owner) for kind, table in tables.items() for owner, of_owner in table.items())
        if self._described is None or self._described[0] != there:
            outputs = {info.name: info.outputs for info in self.program.predictors}
            self._described = there, features_of(outputs, tables, self.row_classes)
        return self._described[1]

    @property
    def editable(self) -> EditableArms:
        """What a person's changes are judged by."""
        frozen = self.config.search.freeze
        return EditableArms(self.arms.by_kind, self.config.optimizer, frozen, self.takes, self.drops)

    def allows(self, candidate: Candidate) -> bool:
        """Whether none of its arms was taken out of the search."""
        return all(arm.active for arm in self.arms.chosen(candidate))

    async def evaluate(
        self,
        candidate: Candidate,
        examples: Sequence[Example],
        priority: int,
        *,
        sealed: bool = False,
        purpose: Purpose = Purpose.EVALUATE,
    ) -> list[Cell]:
        """Cells of `candidate`; `sealed` asks as the sealed test does (counted apart, under no cap)."""
        role = Role.TEST if sealed else Role.TASK
        contents = self.arms.contents(candidate)
        return await self.evaluator.cells(candidate.id, contents, examples, role, priority, purpose=purpose)

    async def note_tuning(self, tuning: Tuning) -> None:
        """Write down how far a tuning is, and the arm that it came to."""
        arms = weights_arms(tuning) if tuning.state is TuningState.TUNED else []
        await self.recorder.write(tuning, *arms)
        self.tunings[tuning.number] = tuning
        for arm in arms:
            self.arms.add(arm)

    async def announce(self, phase: Phase, done: int = 0, total: int = 0, note: str = "") -> None:
        await self.recorder.write(
            Event(EventKind.PHASE, {"phase": phase.value, "done": done, "total": total, "note": note})
        )

    def restore(self) -> None:
        """Take up the arms that earlier lives, or a person, wrote down.

        Raises:
            BadInput: they were made for a program with other predictors.
        """
        known = list(self.journal.arms())
        require_predictors(known, self.arms.names)
        for arm in known:
            self.arms.add(arm)
        self.tunings.update({tuning.number: tuning for tuning in self.journal.tunings()})

    async def add_seed_arms(self) -> None:
        """Arm 0 of everything: the program as it came, its instructions and its own demos, if it has any."""
        await self.add_arms([arm for kind in KINDS.values() for arm in kind.seeds(self.program)])

    async def add_arms(self, arms: Sequence[Arm]) -> None:
        """Write down arms that are not there yet, then let candidates use them."""
        new = [arm for arm in arms if arm.index not in self.arms.of(arm.owner, arm.kind)]
        if new:
            await self.recorder.write(*new)
        for arm in new:
            self.arms.add(arm)
