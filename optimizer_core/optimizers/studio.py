"""The studio's own optimizer: MIPRO's arms, searched by a model of every cell in a race over the rows."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from mipro_studio.optimizer_core.analysis.learned import WON, carried_arms
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.evaluation.attempts import best_attempts
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.optimizers.base import View, Work
from mipro_studio.optimizer_core.optimizers.bootstrapping import BOOTSTRAP_PRIORITY
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.growth import Growth
from mipro_studio.optimizer_core.optimizers.mipro import Mipro, n_instructions, write_arms
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.proposers.bootstrap import SetPlan, plan_sets
from mipro_studio.optimizer_core.proposers.labels import labels_tell_all
from mipro_studio.optimizer_core.proposers.teaching import (
    MOST_TRIES,
    NOTHING_PASSED,
    Lesson,
    Teaching,
    drop_equal_sets,
    most_lessons,
)
from mipro_studio.optimizer_core.search.surrogates import Surrogate
from mipro_studio.optimizer_core.types import (
    DEMOS,
    TEACHER,
    Arm,
    Candidate,
    Cell,
    CellKey,
    Event,
    EventKind,
    Phase,
    Role,
    Split,
)

__all__ = ["Studio"]


USUAL, LARGE_EVERY = 4, 3
"""Demo sets have up to `USUAL` demos, every third up to `max_labeled`: what more demos are worth depends on the task
and on the model, and is for the search to find out."""


class Studio(Mipro):
    name = "studio"
    defaults = {
        "search": {"surrogate": "item_response", "schedule": "racing", "lag": 6, "labels": "spread", "max_labeled": 8}
    }

    # Where cells are scarce each decision should know more of them, and three trials still keep threads busy
    # (docs/landscapes.md has what that is worth).
    under_small_cap = {"search": {"lag": 3}}

    def work(self, config: RunConfig, n_free: int) -> Work:
        search = config.search
        instructions = (n_instructions(config) - 1) * n_free
        return Work(search.trials, instructions, True, search.max_bootstrapped, tries=MOST_TRIES)

    async def initialize(self, context: RunContext) -> None:
        if await _take_carried(context):
            return
        _, grounding = await asyncio.gather(_DemoSets(context).build(), context.grounding())
        await write_arms(context, grounding)

    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        winner = _earlier_winner(context) if view.number == 1 else None
        return winner or await super().propose(context, view)

    def __init__(self, surrogate: Surrogate | None = None) -> None:
        super().__init__(surrogate)
        self._growing: dict[int, Growth | None] = {}  # by the suggestion before which it began; None = taken up

    async def prepare(self, context: RunContext, view: View) -> None:
        if view.number not in self._growing and Growth.due(view, context.config.search.made):
            begun = self._growing[view.number] = Growth(context, view)
            await begun.begin()
        # How much a cap on calls leaves for a trial is judged by all that was spent, so there nothing goes on beside.
        at_once = context.meter.capped
        for number, growth in self._growing.items():
            if growth is not None and (at_once or growth.over(view)):
                await growth.finish(view)
                self._growing[number] = None


async def _take_carried(context: RunContext) -> bool:
    """Add the arms of an earlier run that this one is to start from; False where there are none."""
    config = context.config
    if not config.carried:
        return False
    free = [info.name for info in context.free]
    arms = carried_arms(config.carried, free, context.searches, config.search.candidates - 1)
    await context.add_arms([arm for arm in arms if arm.kind == DEMOS])
    await context.add_instructions([arm for arm in arms if arm.kind != DEMOS])
    return bool(arms)


def _earlier_winner(context: RunContext) -> Candidate | None:
    """The candidate that won the earlier run, as far as its arms are here; None where there was none."""
    won = [arm for arm in context.arms.everything() if arm.provenance.get(WON) and arm.active]
    chosen = {(context.space.place(arm.owner), arm.kind): arm.index for arm in won}
    return Candidate.of(len(context.arms.names), chosen) if won else None


class _DemoSets:
    """Builds the demo sets of a run by `proposers.teaching`."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._warned = False
        settings, rows = context.config.search, context.examples[Split.TRAIN]
        fields = {info.name: (info.inputs, info.outputs) for info in context.program.predictors}
        predictors = zip(context.program.predictors, context.program.module.named_predictors(), strict=True)
        taught = [info.name for info, (_, predictor) in predictors if not predictor.demos]
        alternate = settings.labels == "spread" and labels_tell_all(
            rows, [fields[info.name] for info in context.free]
        )
        cap = context.config.budget.max_program_runs
        most = most_lessons(len(rows), len(context.examples[Split.VAL]), cap)
        self._teaching = Teaching(fields, taught, rows, settings, context.config.seed, most)
        usual = min(settings.max_labeled, USUAL)
        # Twice as many as there should be, as some come out equal.
        sizes = (settings.max_bootstrapped, settings.max_labeled, context.config.seed, alternate)
        plans = plan_sets(len(rows), 2 * settings.candidates, *sizes)[1:]
        self._plans = [plan if plan.index % LARGE_EVERY == 0 else replace(plan, most=usual) for plan in plans]

    async def build(self) -> None:
        """The demo sets of all predictors, as arms."""
        context = self._context
        first, more = self._first()
        await context.announce(Phase.BOOTSTRAP, 0, len(first))
        sets = await self._teaching.build(first, self._give, self._hear)
        seeds = [of_name[0] for of_name in context.arms.demo_sets.values()]
        sets = drop_equal_sets(sets, seeds)
        for plan in more:
            short = [name for name in context.arms.names if self._active(sets, name) < len(first)]
            made = drop_equal_sets(self._teaching.spare(plan), [*seeds, *sets])
            sets += [one for one in made if one.active and one.owner in short]
        await context.add_arms(sets)
        await context.announce(Phase.BOOTSTRAP, len(first), len(first))
        if any(plan.n_bootstrapped for plan in first):
            await context.bootstrapping.report_traces()

    def _first(self) -> tuple[Sequence[SetPlan], Sequence[SetPlan]]:
        n = self._context.config.search.candidates - 1
        return self._plans[:n], self._plans[n:]

    @staticmethod
    def _active(sets: Sequence[Arm], name: str) -> int:
        return sum(one.active for one in sets if one.owner == name)

    async def _give(self, lesson: Lesson) -> Cell:
        key = CellKey(TEACHER, Split.TRAIN, lesson.row.id, lesson.attempt)
        contents = ArmContents.of(demos_arm(name, -1, "lesson", demos) for name, demos in lesson.demos.items())
        request = CellRequest(key, contents, lesson.row, Role.TEACHER, Purpose.BOOTSTRAP, BOOTSTRAP_PRIORITY)
        return await self._context.evaluator.cell(request)

    async def _hear(self, given: int, cells: Sequence[Cell]) -> None:
        """Say as soon as every row was tried once that none passed, and what would help."""
        context = self._context
        threshold = context.config.search.threshold
        runs = [cell for cell in context.table.cells() if cell.key.candidate == TEACHER and cell.score is not None]
        best = max((cell.score for cell in runs if cell.score is not None), default=None)
        if self._warned or best is None or best >= threshold:
            return
        tried = len(best_attempts(runs))
        if tried == len(context.examples[Split.TRAIN]):
            self._warned = True
            text = NOTHING_PASSED.format(runs=tried, threshold=threshold, best=best)
            await context.recorder.write(Event(EventKind.WARNING, {"text": text}))
