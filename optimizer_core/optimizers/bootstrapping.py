"""The teacher's runs on the training rows, and the demo sets that are made of them."""

import asyncio
from collections.abc import Sequence
from functools import cached_property

from mipro_studio.optimizer_core.evaluation.attempts import best_attempts
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.optimizers.run_parts import RunParts
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.proposers.bootstrap import (
    Bootstrapper,
    SetPlan,
    TeacherRun,
    plan_sets,
    trace_fates,
)
from mipro_studio.optimizer_core.proposers.labels import labeled_demos, labels_tell_all
from mipro_studio.optimizer_core.seeds import generator
from mipro_studio.optimizer_core.types import (
    DEMOS,
    TEACHER,
    Cell,
    Event,
    EventKind,
    Example,
    Phase,
    Role,
    Split,
)

__all__ = ["BOOTSTRAP_PRIORITY", "Bootstrapping"]

BOOTSTRAP_PRIORITY = 0


class Bootstrapping:
    """Builds the demo sets of all predictors, from traces of the teacher and from labels. Of the run's event loop.

    Args:
        parts: The run, whose arms the sets become.
    """

    def __init__(self, parts: RunParts) -> None:
        self._parts = parts
        self._teachers: dict[str | None, ArmContents] = {}

    async def build(self, n_sets: int, max_bootstrapped: int | None = None, max_labeled: int | None = None) -> None:
        """Build the demo sets of all predictors, all sets at once (MIPRO section 3.1).

        Args:
            max_bootstrapped, max_labeled: Instead of the run's settings.
        """
        settings = self._parts.config.search
        bootstrapped = settings.max_bootstrapped if max_bootstrapped is None else max_bootstrapped
        labeled = settings.max_labeled if max_labeled is None else max_labeled
        rows = self._parts.examples[Split.TRAIN]
        alternate = settings.labels == "spread" and labels_tell_all(
            rows, [(info.inputs, info.outputs) for info in self._parts.free]
        )
        plans = plan_sets(len(rows), n_sets, bootstrapped, labeled, self._parts.config.seed, alternate)
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
        rows = self._parts.examples[Split.TRAIN]
        fields = {info.name: (info.inputs, info.outputs) for info in self._parts.program.predictors}
        settings = self._parts.config.search.model_copy(update={"max_labeled": max_labeled})
        builder = Bootstrapper(fields, rows, run_teacher or self.run_teacher, settings, self._parts.config.seed)
        if announce:
            await self._parts.announce(Phase.BOOTSTRAP, 1, len(plans) + 1)
        done = 1

        async def build(plan: SetPlan) -> None:
            nonlocal done
            await self._parts.add_arms(await builder.build(plan))
            done += 1
            progress = {"phase": Phase.BOOTSTRAP.value, "done": done, "total": len(plans) + 1}
            if announce:
                await self._parts.recorder.write(Event(EventKind.PROGRESS, progress))

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
        cap = self._parts.config.budget.max_program_runs
        return cap is not None and cap - len(self._parts.examples[Split.VAL]) < len(self._parts.examples[Split.TRAIN])

    async def report_traces(self, again: bool = False) -> None:
        """Write down what became of every training row that the teacher ran on.

        Args:
            again: It was said before, and so was that no trace is good enough.
        """
        sets = [
            demo_set for of_predictor in self._parts.arms.demo_sets.values() for demo_set in of_predictor.values()
        ]
        runs = (
            cell
            for cell in self._parts.table.cells()
            if cell.key.candidate == TEACHER and cell.key.split is Split.TRAIN
        )
        cells = sorted(best_attempts(runs), key=lambda cell: cell.key.example)
        threshold = self._parts.config.search.threshold
        fates = trace_fates(cells, sets, threshold)
        scores = [cell.score for cell in cells if cell.score is not None]
        good = sum(score >= threshold for score in scores)
        await self._parts.recorder.write(
            Event(EventKind.TRACES, {"rows": len(cells), "passed": good, "threshold": threshold, "traces": fates})
        )
        if scores and not good and not again:
            advice = f"No trace reached the threshold {threshold:g}; the best scored {max(scores):g}."
            await self._parts.recorder.write(
                Event(EventKind.WARNING, {"text": f"{advice} Lower the threshold, or use a teacher."})
            )

    async def run_teacher(self, row: Example) -> Cell:
        """One teacher run; the teacher has labelled demos, as DSPy's has, but never the row itself."""
        without = row.id if row.id in self._teacher_rows else None
        asked = (TEACHER, self._teacher(without), [row], Role.TEACHER, BOOTSTRAP_PRIORITY)
        cells = await self._parts.evaluator.cells(*asked, purpose=Purpose.BOOTSTRAP)
        return cells[0]

    @cached_property
    def _teacher_rows(self) -> dict[str, Example]:
        rows = list(self._parts.examples[Split.TRAIN])
        generator(self._parts.config.seed, "teacher").shuffle(rows)
        # DSPy bootstraps for the proposer alone with no labelled demos, neither in the sets nor for the teacher.
        shown = DEMOS in self._parts.searches or self._parts.tuner is not None
        labeled = self._parts.config.search.max_labeled if shown else 0
        return {row.id: row for row in rows[:labeled]}

    def _teacher(self, without: str | None) -> ArmContents:
        """What the teacher is shown on the row `without`, which is not among its own demos; None = on any other."""
        if without not in self._teachers:
            rows = [row for row in self._teacher_rows.values() if row.id != without]
            program = self._parts.program
            predictors = zip(program.predictors, program.module.named_predictors(), strict=True)
            self._teachers[without] = ArmContents.of(
                demos_arm(info.name, -1, "labels_only", labeled_demos(rows, info.inputs, info.outputs))
                for info, (_, predictor) in predictors
                if not predictor.demos  # a program that brings demos is its own teacher
            )
        return self._teachers[without]
