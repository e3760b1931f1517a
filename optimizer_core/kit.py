"""What an optimizer works with: the program, its arms, the rows, and the ways to ask for cells and instructions."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import dspy

from optimizer_core.bootstrap import Bootstrapper, labeled_demos, plan_sets, trace_fates
from optimizer_core.config import RunConfig
from optimizer_core.evaluator import Evaluator, Player
from optimizer_core.journal import Journal
from optimizer_core.models.meter import Meter
from optimizer_core.program import Arms, Program
from optimizer_core.proposer import Proposer, SharedContext, drop_duplicates
from optimizer_core.recorder import Recorder
from optimizer_core.score_table import ScoreTable
from optimizer_core.seeds import generator
from optimizer_core.space import SearchSpace
from optimizer_core.types import (
    SEED_ARM,
    TEACHER,
    Author,
    Candidate,
    Cell,
    Demo,
    DemoSet,
    Event,
    Example,
    Instruction,
    Phase,
    Split,
)

__all__ = ["Kit", "Players"]

BOOTSTRAP_PRIORITY = 0


@dataclass(frozen=True)
class Players:
    """The models by what they do here. `test` is the task model on the sealed test, counted apart."""

    task: Player
    teacher: Player
    test: Player


@dataclass(eq=False)
class Kit:
    """The parts of a run, put together by `optimizer_core.run`. Belongs to the run's event loop."""

    config: RunConfig
    program: Program
    examples: dict[Split, list[Example]]
    arms: Arms
    table: ScoreTable
    journal: Journal
    recorder: Recorder
    evaluator: Evaluator
    proposer: Proposer
    players: Players
    meter: Meter

    @property
    def baseline(self) -> Candidate:
        return Candidate.baseline(len(self.arms.names))

    @property
    def space(self) -> SearchSpace:
        """All active arms as they stand now."""
        return SearchSpace(
            self.arms.names,
            {
                name: [arm.index for arm in self.arms.instructions[name].values() if arm.active]
                for name in self.arms.names
            },
            {
                name: [arm.index for arm in self.arms.demo_sets[name].values() if arm.active]
                for name in self.arms.names
            },
            self.config.search.freeze,
        )

    async def evaluate(
        self, candidate: Candidate, examples: Sequence[Example], priority: int, *, sealed: bool = False
    ) -> list[Cell]:
        """Cells of `candidate`; `sealed` asks as the sealed test does (counted apart, under no cap)."""
        player = self.players.test if sealed else self.players.task
        return await self.evaluator.cells(candidate.id, self.arms.module(candidate), examples, player, priority)

    async def announce(self, phase: Phase, done: int = 0, total: int = 0, note: str = "") -> None:
        await self.recorder.write(Event("phase", {"phase": phase.value, "done": done, "total": total, "note": note}))

    def restore(self) -> None:
        """Take up the arms that earlier lives, or a person, wrote down."""
        for instruction in self.journal.instructions():
            self.arms.add(instruction)
        for demo_set in self.journal.demo_sets():
            self.arms.add(demo_set)

    async def add_seed_arms(self) -> None:
        """Arm 0 of everything: the program as it came, its instructions and its own demos, if it has any."""
        arms: list[Instruction | DemoSet] = []
        for info, (_, predictor) in zip(self.program.predictors, self.program.module.named_predictors(), strict=True):
            own = tuple(Demo(dict(demo.items()), bool(demo.get("augmented")), "") for demo in predictor.demos)
            arms.append(Instruction(info.name, SEED_ARM, info.instruction, Author.SEED))
            arms.append(DemoSet(info.name, SEED_ARM, "seed" if own else "zero_shot", own))
        await self.add_arms(arms)

    async def add_arms(self, arms: Sequence[Instruction | DemoSet]) -> None:
        """Write down arms that are not there yet, then let candidates use them."""
        new = [
            arm
            for arm in arms
            if arm.index
            not in (self.arms.instructions if isinstance(arm, Instruction) else self.arms.demo_sets)[arm.predictor]
        ]
        if new:
            await self.recorder.write(*new)
        for arm in new:
            self.arms.add(arm)

    async def bootstrap(self, n_sets: int) -> None:
        """Build the demo sets of all predictors, all sets at once (MIPRO section 3.1)."""
        settings = self.config.search
        rows = self.examples[Split.TRAIN]
        fields = {info.name: (info.inputs, info.outputs) for info in self.program.predictors}
        builder = Bootstrapper(
            fields, rows, self._run_teacher, settings.threshold, settings.max_labeled, self.config.seed
        )
        plans = plan_sets(len(rows), n_sets, settings.max_bootstrapped, settings.max_labeled, self.config.seed)
        await self.announce(Phase.BOOTSTRAP, 0, len(plans))
        building = asyncio.as_completed([builder.build(plan) for plan in plans[1:]])
        for done, finished in enumerate(building, start=2):
            await self.add_arms(await finished)
            progress = {"phase": Phase.BOOTSTRAP.value, "done": done, "total": len(plans)}
            await self.recorder.write(Event("progress", progress))
        await self._report_traces()

    async def _report_traces(self) -> None:
        sets = [demo_set for of_predictor in self.arms.demo_sets.values() for demo_set in of_predictor.values()]
        cells = sorted(self.table.row(TEACHER, Split.TRAIN).values(), key=lambda cell: cell.key.example)
        threshold = self.config.search.threshold
        fates = trace_fates(cells, sets, threshold)
        scores = [cell.score for cell in cells if cell.score is not None]
        good = sum(score >= threshold for score in scores)
        await self.recorder.write(
            Event("traces", {"rows": len(cells), "passed": good, "threshold": threshold, "traces": fates})
        )
        if scores and not good:
            advice = f"No trace reached the threshold {threshold:g}; the best scored {max(scores):g}."
            await self.recorder.write(Event("warning", {"text": f"{advice} Lower the threshold, or use a teacher."}))

    async def _run_teacher(self, row: Example) -> Cell:
        """One teacher run; the teacher has labelled demos, as DSPy's has, but never the row itself."""
        without = row.id if row.id in self._teacher_rows else None
        module = self._teacher(without)
        player = self.players.teacher
        cells = await self.evaluator.cells(TEACHER, module, [row], player, BOOTSTRAP_PRIORITY, bootstrapping=True)
        return cells[0]

    @cached_property
    def _teacher_rows(self) -> dict[str, Example]:
        rows = list(self.examples[Split.TRAIN])
        generator(self.config.seed, "teacher").shuffle(rows)
        return {row.id: row for row in rows[: self.config.search.max_labeled]}

    @cache  # noqa: B019 - the kit lives as long as the run
    def _teacher(self, without: str | None) -> dspy.Module:
        rows = [row for row in self._teacher_rows.values() if row.id != without]
        predictors = zip(self.program.predictors, self.program.module.named_predictors(), strict=True)
        demos = {
            info.name: labeled_demos(rows, info.inputs, info.outputs)
            for info, (_, predictor) in predictors
            if not predictor.demos  # a program that brings demos is its own teacher
        }
        return self.arms.build({}, demos)

    async def grounding(self) -> SharedContext:
        """What all proposals are shown; needs no demo sets, so it is made while they are bootstrapped."""
        return await self.proposer.shared_context(self.program, self.examples[Split.TRAIN])

    async def propose(self, n_instructions: int, context: SharedContext) -> None:
        """Write instructions 1..n-1 for every predictor that is not frozen, all at once."""
        infos = [info for info in self.program.predictors if info.name not in self.config.search.freeze]
        wanted = [(info, index) for info in infos for index in range(1, n_instructions)]
        await self.announce(Phase.PROPOSE, 0, len(wanted))
        sets = {name: list(of_name.values()) for name, of_name in self.arms.demo_sets.items()}
        proposals = await asyncio.gather(
            *(self.proposer.propose(info, index, context, sets[info.name]) for info, index in wanted)
        )
        seeds = [self.arms.instructions[info.name][SEED_ARM] for info in infos]
        await self.add_arms([arm for arm in drop_duplicates([*seeds, *proposals]) if arm.index != SEED_ARM])
