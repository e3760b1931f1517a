"""What an optimizer works with: the program, its arms, the rows, and the ways to ask for cells and instructions."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from types import MappingProxyType
from typing import Any

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.evaluation.attempts import best_attempts
from mipro_studio.optimizer_core.evaluation.evaluator import Evaluator
from mipro_studio.optimizer_core.evaluation.journal import Journal
from mipro_studio.optimizer_core.evaluation.objective import Objective, objective_of
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.finetuning.tuner import Tuner
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.parameters.arm_features import Features, features_of
from mipro_studio.optimizer_core.parameters.arms import Arms, require_predictors
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.duplicates import drop_duplicates, usable_index
from mipro_studio.optimizer_core.parameters.edits import Board
from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.parameters.weights import weights_arms
from mipro_studio.optimizer_core.programs.program import PredictorInfo, Program
from mipro_studio.optimizer_core.proposers.bootstrap import (
    Bootstrapper,
    SetPlan,
    TeacherRun,
    plan_sets,
    trace_fates,
)
from mipro_studio.optimizer_core.proposers.labels import labeled_demos, labels_tell_all
from mipro_studio.optimizer_core.proposers.proposer import Proposer, Recipe, SharedContext
from mipro_studio.optimizer_core.seeds import generator
from mipro_studio.optimizer_core.types import (
    DEMOS,
    INSTRUCTION,
    TEACHER,
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

__all__ = ["RunContext"]

BOOTSTRAP_PRIORITY = 0


@dataclass(eq=False)
class RunContext:
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
    _grounding: SharedContext | None = field(default=None, init=False)
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

    @property
    def _features(self) -> Features:
        """What is in the arms, worked out anew when there are others."""
        tables = self.arms.by_kind
        there = tuple((kind, owner, *of_owner) for kind, table in tables.items() for owner, of_owner in table.items())
        if self._described is None or self._described[0] != there:
            outputs = {info.name: info.outputs for info in self.program.predictors}
            self._described = there, features_of(outputs, tables)
        return self._described[1]

    @property
    def board(self) -> Board:
        """What a person's changes are judged by."""
        frozen = self.config.search.freeze
        return Board(self.arms.by_kind, self.config.optimizer, frozen, self.takes, self.drops)

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

    async def bootstrap(
        self, n_sets: int, max_bootstrapped: int | None = None, max_labeled: int | None = None
    ) -> None:
        """Build the demo sets of all predictors, all sets at once (MIPRO section 3.1).

        Args:
            max_bootstrapped, max_labeled: Instead of the run's settings.
        """
        settings = self.config.search
        bootstrapped = settings.max_bootstrapped if max_bootstrapped is None else max_bootstrapped
        labeled = settings.max_labeled if max_labeled is None else max_labeled
        rows = self.examples[Split.TRAIN]
        alternate = settings.labels == "spread" and labels_tell_all(
            rows, [(info.inputs, info.outputs) for info in self.free]
        )
        plans = plan_sets(len(rows), n_sets, bootstrapped, labeled, self.config.seed, alternate)
        await self.build_sets(plans[1:], labeled)

    async def build_sets(
        self,
        plans: Sequence[SetPlan],
        max_labeled: int,
        *,
        announce: bool = True,
        run_teacher: TeacherRun | None = None,
    ) -> None:
        """Build the demo sets of `plans`, one a predictor and plan, at once.

        Args:
            run_teacher: Who answers the rows, where it is not the run's teacher.
        """
        rows = self.examples[Split.TRAIN]
        fields = {info.name: (info.inputs, info.outputs) for info in self.program.predictors}
        settings = self.config.search.model_copy(update={"max_labeled": max_labeled})
        builder = Bootstrapper(fields, rows, run_teacher or self.run_teacher, settings, self.config.seed)
        if announce:
            await self.announce(Phase.BOOTSTRAP, 1, len(plans) + 1)
        done = 1

        async def build(plan: SetPlan) -> None:
            nonlocal done
            await self.add_arms(await builder.build(plan))
            done += 1
            progress = {"phase": Phase.BOOTSTRAP.value, "done": done, "total": len(plans) + 1}
            if announce:
                await self.recorder.write(Event(EventKind.PROGRESS, progress))

        if self._scarce:
            for plan in plans:
                await build(plan)
        else:
            await asyncio.gather(*(build(plan) for plan in plans))
        if announce and any(plan.n_bootstrapped for plan in plans):
            await self.report_traces()

    @property
    def _scarce(self) -> bool:
        """Whether the cap may end the bootstrapping. Then sets are built one after the other: which teacher run is
        the first that the cap refuses must not depend on which set's answers come in first."""
        cap = self.config.budget.max_program_runs
        return cap is not None and cap - len(self.examples[Split.VAL]) < len(self.examples[Split.TRAIN])

    async def report_traces(self, again: bool = False) -> None:
        """Write down what became of every training row that the teacher ran on.

        Args:
            again: It was said before, and so was that no trace is good enough.
        """
        sets = [demo_set for of_predictor in self.arms.demo_sets.values() for demo_set in of_predictor.values()]
        runs = (
            cell for cell in self.table.cells() if cell.key.candidate == TEACHER and cell.key.split is Split.TRAIN
        )
        cells = sorted(best_attempts(runs), key=lambda cell: cell.key.example)
        threshold = self.config.search.threshold
        fates = trace_fates(cells, sets, threshold)
        scores = [cell.score for cell in cells if cell.score is not None]
        good = sum(score >= threshold for score in scores)
        await self.recorder.write(
            Event(EventKind.TRACES, {"rows": len(cells), "passed": good, "threshold": threshold, "traces": fates})
        )
        if scores and not good and not again:
            advice = f"No trace reached the threshold {threshold:g}; the best scored {max(scores):g}."
            await self.recorder.write(
                Event(EventKind.WARNING, {"text": f"{advice} Lower the threshold, or use a teacher."})
            )

    async def run_teacher(self, row: Example) -> Cell:
        """One teacher run; the teacher has labelled demos, as DSPy's has, but never the row itself."""
        without = row.id if row.id in self._teacher_rows else None
        asked = (TEACHER, self._teacher(without), [row], Role.TEACHER, BOOTSTRAP_PRIORITY)
        cells = await self.evaluator.cells(*asked, purpose=Purpose.BOOTSTRAP)
        return cells[0]

    @cached_property
    def _teacher_rows(self) -> dict[str, Example]:
        rows = list(self.examples[Split.TRAIN])
        generator(self.config.seed, "teacher").shuffle(rows)
        # DSPy bootstraps for the proposer alone with no labelled demos, neither in the sets nor for the teacher.
        shown = DEMOS in self.searches or self.tuner is not None
        labeled = self.config.search.max_labeled if shown else 0
        return {row.id: row for row in rows[:labeled]}

    @cache  # noqa: B019 - the context lives as long as the run
    def _teacher(self, without: str | None) -> ArmContents:
        rows = [row for row in self._teacher_rows.values() if row.id != without]
        predictors = zip(self.program.predictors, self.program.module.named_predictors(), strict=True)
        return ArmContents.of(
            demos_arm(info.name, -1, "labels_only", labeled_demos(rows, info.inputs, info.outputs))
            for info, (_, predictor) in predictors
            if not predictor.demos  # a program that brings demos is its own teacher
        )

    async def grounding(self) -> SharedContext:
        """What all proposals are shown, made once; needs no demo sets, so it is made while they are bootstrapped."""
        if self._grounding is None:
            self._grounding = await self.proposer.shared_context(self.program, self.examples[Split.TRAIN])
        return self._grounding

    async def propose(self, n_instructions: int, grounding: SharedContext) -> None:
        """Write instructions 1..n-1 for every predictor that is not frozen, all at once."""
        infos = self.free
        wanted = [(info, index) for info in infos for index in range(1, n_instructions)]
        await self.announce(Phase.PROPOSE, 0, len(wanted))
        sets = {name: list(of_name.values()) for name, of_name in self.arms.demo_sets.items()}
        proposals = await asyncio.gather(
            *(self.proposer.propose(info, index, grounding, sets[info.name]) for info, index in wanted)
        )
        await self.add_instructions(proposals)

    async def propose_more(
        self,
        wanted: Sequence[tuple[PredictorInfo, int]],
        histories: Mapping[str, Sequence[tuple[str, float]]] = MappingProxyType({}),
        recipes: Mapping[str, Recipe] = MappingProxyType({}),
        facts: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Write the instructions `wanted` that are not there yet, as optimizers do that propose in rounds.

        The prompt calls are keyed by predictor and index, so a resumed run repeats none.

        Args:
            wanted: Predictor and arm index.
            histories: By predictor, worst first.
            recipes: By predictor, where a request differs from the run's settings.
            facts: Further facts for the provenance of these arms, such as the round they belong to.
        """
        grounding = await self.grounding()
        proposals = await asyncio.gather(
            *(
                self.proposer.propose(
                    info,
                    index,
                    grounding,
                    list(self.arms.demo_sets[info.name].values()),
                    histories.get(info.name, ()),
                    recipes.get(info.name),
                )
                for info, index in wanted
                if index not in self.arms.instructions[info.name]
            )
        )
        await self.add_instructions([replace(arm, provenance={**arm.provenance, **facts}) for arm in proposals])

    async def add_instructions(self, proposals: Sequence[Arm]) -> None:
        """Add proposals as arms.

        One that repeats an arm's text, or that the program cannot work with, is kept inactive, with the reason.
        """
        await self.add_proposals([self.program.without_losses(arm) for arm in proposals])

    async def add_proposals(self, proposals: Sequence[Arm]) -> None:
        """Add proposals as arms; one that says what another arm says is kept inactive."""
        await self.add_arms(self._judged(proposals))

    async def add_made(self, instructions: Sequence[Arm], sets: Sequence[Arm]) -> None:
        """Add arms that the search made, all in one commit, instructions judged as in `add_instructions`."""
        judged = self._judged([self.program.without_losses(arm) for arm in instructions])
        await self.add_arms([*judged, *sets])

    def _judged(self, proposals: Sequence[Arm]) -> list[Arm]:
        kinds = {arm.kind for arm in proposals}
        known = [arm for arm in self.arms.everything() if arm.kind in kinds]
        taken = {(arm.owner, arm.kind, arm.index) for arm in known}
        judged = drop_duplicates([*known, *proposals])
        return [arm for arm in judged if (arm.owner, arm.kind, arm.index) not in taken]

    def usable(self, predictor: str, index: int) -> int | None:
        """The active arm with the text of instruction `index`: itself, or the one it repeats. None: it failed."""
        return usable_index(self.arms.instructions[predictor], index)
