"""Where a run of BetterTogether is in its strategies, read off the score table, and what it has to do next.

A step of prompts compares demo sets, bootstrapped by the program that it begins with, on the whole validation set,
and ends with the best. A step of weights tunes on the traces of the program that it begins with, and ends with that
program on the new weights, better or not. Strategies that begin alike share those steps, and no step learns from what
another strategy did. Nothing is kept here: a resumed run finds its place again.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from mipro_studio.optimizer_core.config import FinetuneSettings
from mipro_studio.optimizer_core.errors import ReviewWanted
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.finetuning.rows import Prompts, labelled_rows, training_rows, yield_in_words
from mipro_studio.optimizer_core.finetuning.tuner import as_records, fresh_job_id
from mipro_studio.optimizer_core.models.role_models import adapter_of
from mipro_studio.optimizer_core.optimizers.bootstrapping import BOOTSTRAP_PRIORITY
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.together.strategy import WEIGHTS, Step, label
from mipro_studio.optimizer_core.parameters.weights import all_weights, with_demo_set, with_weights, with_weights_of
from mipro_studio.optimizer_core.plurals import noun, plural
from mipro_studio.optimizer_core.proposers.bootstrap import plan_sets
from mipro_studio.optimizer_core.proposers.labels import labels_tell_all
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import (
    PROGRAM,
    TEACHER,
    Candidate,
    Cell,
    Event,
    EventKind,
    Example,
    Phase,
    Split,
    Tuning,
    TuningState,
)

__all__ = ["Reached", "Walk"]


@dataclass(frozen=True)
class Reached:
    """A prefix of the strategy, as `label` writes it, and the program that it ended with."""

    strategy: str
    candidate: Candidate


@dataclass(frozen=True)
class _Need:
    """What stands in the way: a candidate to evaluate, or else what `step` needs for the program `start`.

    `answerers`: ids of those who answered training rows on the way to the step and for it.
    """

    step: Step
    start: Candidate
    answerers: frozenset[str]
    candidate: Candidate | None = None


class Walk:
    """One look at a run.

    Args:
        tried: Ids of candidates that were evaluated on the whole validation set, whatever came of it.
    """

    def __init__(self, context: RunContext, steps: Sequence[Step], tried: Collection[str] = ()) -> None:
        self._context = context
        self._steps = tuple(steps)
        self._tried = tried
        self._settings: FinetuneSettings = context.config.finetune

    async def next(self) -> Candidate | None:
        """The next candidate to evaluate, once what it is made of is there; None when the strategy is through.

        Raises:
            ReviewWanted: a person wants to see the rows before they are trained on.
            RunFailed, RunPaused, BudgetReached, StopRequested: as `Tuner.run` and the evaluator.
        """
        while True:
            _, need = self._look()
            if need is None or need.candidate is not None:
                return need.candidate if need else None
            if need.step.kind == WEIGHTS:
                await self._tune(need)
            else:
                await self._build(need.step, need.start)

    def reached(self) -> list[Reached]:
        """The original program, and what every step that is through ended with."""
        return self._look()[0]

    def _look(self) -> tuple[list[Reached], _Need | None]:
        ended = {"": self._context.baseline}
        answerers: dict[str, frozenset[str]] = {"": frozenset()}
        reached = [Reached(label(""), ended[""])]
        for step in self._steps:
            start = self._start(step, ended[step.before])
            answerers[step.path] = answerers[step.before] | {TEACHER if self._is_taught(step, start) else start.id}
            options = self._options(step, start)
            if options is None:
                return reached, _Need(step, start, answerers[step.path])
            for option in options:
                if not self._evaluated(option):
                    return reached, _Need(step, start, answerers[step.path], option)
            ended[step.path] = options[0] if step.kind == WEIGHTS else self._best(options)
            reached.append(Reached(label(step.path), ended[step.path]))
        return reached, None

    def _start(self, step: Step, current: Candidate) -> Candidate:
        """The program that a step begins with."""
        if step.kind != WEIGHTS and step.before.endswith(WEIGHTS) and self._settings.restart:
            return with_weights_of(self._context.baseline, current)
        return current

    def _is_taught(self, step: Step, start: Candidate) -> bool:
        """Whether the teacher answers the step's training rows, and not the program that it begins with."""
        if step.kind == WEIGHTS and self._settings.bootstrap != "auto":
            return self._settings.bootstrap == "teacher"
        return start == self._context.baseline

    def _options(self, step: Step, start: Candidate) -> list[Candidate] | None:
        """What a step chooses from; None while it is not made."""
        context = self._context
        if step.kind == WEIGHTS:
            for number, owner in self._tunings(step).items():
                tuning = context.tunings.get(number)
                if tuning is None or not tuning.state.over:
                    return None
                if tuning.state is TuningState.TUNED:
                    start = with_weights(start, number, context.arms.place(owner))
            return [start]
        indices = self._indices(step)
        if any(index not in context.arms.demo_sets[name] for name in context.arms.names for index in indices):
            return None
        free = {info.name for info in context.free}
        places = [place for place, name in enumerate(context.arms.names) if name in free]
        options, seen = [start], [self._demos(start)]
        for index in indices:
            option = with_demo_set(start, index, places)
            demos = self._demos(option)
            if demos not in seen:  # where few traces pass, sets repeat each other
                seen.append(demos)
                options.append(option)
        return options

    def _demos(self, candidate: Candidate) -> list[object]:
        module = self._context.arms.module(candidate)
        return [[dict(demo.items()) for demo in predictor.demos] for predictor in module.predictors()]

    def _indices(self, step: Step) -> range:
        """The demo sets of a prompt step; each step has its own."""
        n = self._settings.sets - 1
        return range((step.number - 1) * n + 1, step.number * n + 1)

    def _tunings(self, step: Step) -> dict[int, str]:
        """Number -> owner of the tunings of a weight step: the program's one, or one of each predictor's."""
        owners = [PROGRAM]
        if self._settings.owner == "predictor":
            owners = [info.name for info in self._context.free]
        return dict(enumerate(owners, start=(step.number - 1) * len(owners) + 1))

    def _evaluated(self, candidate: Candidate) -> bool:
        val = self._context.examples[Split.VAL]
        return candidate.id in self._tried or len(self._context.table.row(candidate.id, Split.VAL)) == len(val)

    def _best(self, options: Sequence[Candidate]) -> Candidate:
        """The highest mean on the validation set; of equals the first."""
        means = [self._context.table.mean(one.id, Split.VAL, of=self._context.objective).mean for one in options]
        return max(zip(options, means, strict=True), key=lambda pair: float("-inf") if pair[1] is None else pair[1])[
            0
        ]

    async def _build(self, step: Step, start: Candidate) -> None:
        """Bootstrap the demo sets of a prompt step by the program that it begins with."""
        context, search = self._context, self._context.config.search
        rows = context.examples[Split.TRAIN]
        told = labels_tell_all(rows, [(info.inputs, info.outputs) for info in context.free])
        seed = derive_seed(context.config.seed, "step", step.nth) if step.nth > 1 else context.config.seed
        plans = plan_sets(
            len(rows),
            self._settings.sets,
            search.max_bootstrapped,
            search.max_labeled,
            seed,
            search.labels == "spread" and told,
        )
        first = self._indices(step)[0]
        moved = [replace(plan, index=first + place) for place, plan in enumerate(plans[1:])]
        own = None if self._is_taught(step, start) else lambda row: self._answered(start, row)
        await context.bootstrapping.build_sets(moved, search.max_labeled, run_teacher=own)

    async def _answered(self, program: Candidate, row: Example) -> Cell:
        """The program's own run on a training row, scored as for demos."""
        cells = await self._context.evaluate(program, [row], BOOTSTRAP_PRIORITY, purpose=Purpose.BOOTSTRAP)
        return cells[0]

    async def _tune(self, need: _Need) -> None:
        context = self._context
        tuner = context.tuner
        assert tuner is not None
        wanted = self._tunings(need.step)
        if not wanted.keys() <= context.tunings.keys():
            await self._gather(need)
        for number in wanted:
            tuning = context.tunings[number]
            if tuning.state is TuningState.FAILED:  # in an earlier life: the same rows once more, as another job
                tuning = replace(tuning, state=TuningState.ROWS, job=fresh_job_id())
                await context.note_tuning(tuning)
            if tuning.state.over:
                continue
            self._require_go(tuning, tuner.choice.title)
            await context.announce(Phase.TUNE, 0, tuner.steps(tuning))
            await context.note_tuning(await tuner.run(tuning))

    def _require_go(self, tuning: Tuning, where: str) -> None:
        """Each time that weights are tuned has a gate of its own."""
        context = self._context
        earlier = (one for one in context.tunings.values() if one.number < tuning.number)
        gates = 1 + sum(one.state is not TuningState.EMPTY for one in earlier)
        if context.config.review and context.approvals < gates:
            raise ReviewWanted(
                f"{plural(len(tuning.rows), 'row is', 'rows are')} about to be trained on, for weights "
                f"{tuning.number} ({where}): read {noun(len(tuning.rows), 'it', 'them')}, then say go."
            )

    async def _gather(self, need: _Need) -> None:
        """The rows of a weight step's tunings, each written down under the id of the job to be."""
        context, step, start = self._context, need.step, need.start
        cells = {cell.key: cell for cell in await self._traces(step, start)}
        if self._settings.traces == "all":
            on_train = (cell for cell in context.table.cells() if cell.key.split is Split.TRAIN)
            cells = {cell.key: cell for cell in on_train if cell.key.candidate in need.answerers} | cells
        for number, owner in self._tunings(step).items():
            if number not in context.tunings:
                await self._write_down(need, number, owner, cells.values())

    async def _write_down(self, need: _Need, number: int, owner: str, cells: Iterable[Cell]) -> None:
        context, settings, start = self._context, self._settings, need.start
        tuner = context.tuner
        assert tuner is not None
        adapter = adapter_of(context.config.task_model, context.config, context.program)
        module, folders = context.arms.module(start), context.config.folders
        prompts = Prompts(module, adapter, settings.demos, folders, predictor=owner)
        made = training_rows(cells, prompts, context.config.search.threshold)
        labelled = labelled_rows(context.examples[Split.TRAIN], prompts, made.rows) if settings.labels else ()
        rows = (*made.rows, *labelled)
        state = TuningState.ROWS if rows else TuningState.EMPTY
        before = all_weights(start).get(context.arms.place(owner))
        facts = {
            "yield": {**made.counts, "labelled": len(labelled)},
            "demos": settings.demos,
            "trainer": tuner.choice.name,
            "base_model": tuner.choice.base_model,
            "settings": {**tuner.settings.model_dump(mode="json"), "epochs": settings.epochs_for(len(rows))},
            "strategy": label(need.step.path),
            "begins_at": context.tunings[before].facts["tuned"] if before else None,
            **({"predictor": owner} if owner != PROGRAM else {}),
        }
        tuning = Tuning(number, state, fresh_job_id(), start.id, as_records(rows), facts)
        await context.note_tuning(tuning)
        await context.recorder.write(
            Event(EventKind.NOTE, {"text": yield_in_words(tuning, made, tuner.choice.title)})
        )

    async def _traces(self, step: Step, start: Candidate) -> list[Cell]:
        """The program's, or the teacher's, runs on all training rows."""
        context = self._context
        rows = context.examples[Split.TRAIN]
        taught = self._is_taught(step, start)
        await context.announce(Phase.BOOTSTRAP, 0, len(rows), "traces to learn from")
        done = 0

        async def one(row: Example) -> Cell:
            nonlocal done
            cell = await (context.bootstrapping.run_teacher(row) if taught else self._answered(start, row))
            done += 1
            if done % 10 == 0 or done == len(rows):
                progress = {"phase": Phase.BOOTSTRAP.value, "done": done, "total": len(rows)}
                await context.recorder.write(Event(EventKind.PROGRESS, progress))
            return cell

        return list(await asyncio.gather(*map(one, rows)))
