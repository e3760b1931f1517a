"""The search: trials, several under way at once, full evaluations at intervals, and the extraction of the best.

The order of trials, what each decision may know and which cells each asks for are fixed by the seed, so that
threads and timing change how long a run takes and nothing else. A trial's record says how many of the trials before
it its decision knew (`Trial.known`); a resumed run goes on from there, so it decides as the life before would have.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from mipro_studio.optimizer_core.analysis.headroom import verdict_after
from mipro_studio.optimizer_core.errors import BudgetReached
from mipro_studio.optimizer_core.optimizers.base import Optimizer
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.runs.apply_edits import apply_changes
from mipro_studio.optimizer_core.runs.extraction import best_full_evaluation
from mipro_studio.optimizer_core.runs.reporting import Reporter
from mipro_studio.optimizer_core.runs.trials_so_far import TrialsSoFar
from mipro_studio.optimizer_core.search.schedules import Schedule, State, make_schedule
from mipro_studio.optimizer_core.types import (
    Candidate,
    Event,
    EventKind,
    Example,
    Phase,
    Split,
    Trial,
    TrialKind,
)

__all__ = ["Search"]

FIRST_TRIAL_PRIORITY = 10


class Search:
    """Runs the trials of one optimizer. Trials of earlier lives are taken up first."""

    def __init__(self, context: RunContext, optimizer: Optimizer) -> None:
        self._context = context
        self._optimizer = optimizer
        self._settings = context.config.search
        self._schedule = make_schedule(self._settings)
        self._val = context.examples[Split.VAL]
        self._by_id = {example.id: example for example in self._val}
        self._so_far = TrialsSoFar(context)
        self._tasks: list[asyncio.Task[None]] = []
        self._earlier = {trial.order: trial for trial in context.journal.trials()}
        self._reporter = Reporter(context, optimizer, max((one.number for one in self._earlier.values()), default=0))

    async def start_baseline(self) -> None:
        """Ask for the baseline's full evaluation. It needs no proposals, so it fills threads that wait for them."""
        await self._start(TrialKind.BASELINE, self._context.baseline, self._val, 0, known=0)

    async def run(self) -> None:
        """All trials and full evaluations, until nothing that a person asked for waits any more.

        Raises:
            BudgetReached: a cap ended it; everything asked for before is finished, the last full evaluation included.
        """
        for order in sorted(self._earlier.keys() - {0}):
            trial = self._earlier[order]
            examples = [self._by_id[name] for name in trial.examples if name in self._by_id]
            if trial.number > self._so_far.number:
                known = trial.known or 0
                await self._settle(known)
                view = self._so_far.view(self._so_far.state(known), known)
                await self._optimizer.prepare(self._context, view)
            await self._start(trial.kind, Candidate.parse(trial.candidate), examples, trial.number, known=0)
        while True:
            capped: BudgetReached | None = None
            try:
                while await self._next():
                    pass
            except BudgetReached as reached:
                capped = reached
            try:
                await self._finish_best()
            except BudgetReached as reached:
                capped = capped or reached
            if capped is not None:
                raise capped
            if not self._context.journal.changes():
                return

    async def settle(self) -> None:
        """Wait until everything asked for is finished."""
        await self._settle(len(self._tasks))

    async def _next(self) -> bool:
        """Start one more trial or full evaluation; False when there is nothing left to start."""
        await self.apply_changes()
        so_far = self._so_far
        if so_far.suggested >= self._settings.trials and so_far.untried(self._context.baseline) is None:
            return False
        known = self._known()
        await self._settle(known)
        state = so_far.state(known)
        # Models of the score take milliseconds of arithmetic; in a thread they hold up no running evaluation.
        finished, grown = await asyncio.to_thread(_decide, self._schedule, state)
        if finished is not None:
            await self._start(TrialKind.FULL, finished, self._val, so_far.number, known)
            return True
        number = so_far.number + 1
        await self._say_headroom(known)
        view = so_far.view(state, known)
        await self._optimizer.prepare(self._context, view)
        if number % self._settings.full_eval_every == 0:
            await self._reporter.begin(state.observed, number)
        candidate = so_far.untried(self._leader(state)) or grown
        candidate = candidate or await self._optimizer.propose(self._context, view)
        if candidate is None:
            await self._context.recorder.write(Event(EventKind.NOTE, {"text": self._optimizer.exhausted}))
            return False
        batch = self._schedule.batch(state, candidate, number)
        before = state.asked.get(candidate.id, ()) if self._schedule.adds_up else ()
        whole = len({*before, *batch}) == len(self._val)
        kind = TrialKind.FULL if whole else TrialKind.MINIBATCH
        examples = self._val if whole else [self._by_id[name] for name in batch]
        reserve = 0 if whole else self._schedule.reserve(state, candidate, batch)
        so_far.require_reserve(so_far.new(candidate.id, [example.id for example in examples]) + reserve, known)
        await self._start(kind, candidate, examples, number, known)
        return True

    async def _say_headroom(self, known: int) -> None:
        """Once: at the first decision that knows the trials which the verdict needs. Where the verdict may end the
        run it is waited for, as every trial more would be spent for nothing."""
        needed = verdict_after(self._settings.trials) + 1
        if self._settings.least_headroom:
            if len(self._so_far) == needed:
                await self.settle()
                await self._reporter.headroom(self._so_far.observed(needed), self._so_far.number + 1)
        elif (self._so_far.last.known or 0) < needed <= known:
            await self._reporter.headroom(self._so_far.observed(known), self._so_far.number + 1)

    def _known(self) -> int:
        """How many trials, in order, the next decision knows: all but the latest `lag - 1`, and never fewer than the
        one before it did."""
        last = self._so_far.last
        if self._schedule.waits(last):
            return len(self._so_far)
        return max(len(self._so_far) + 1 - self._settings.lag, last.known or 0, 0)

    async def apply_changes(self) -> None:
        """Take up what a person asked of the arms; it holds from the next trial on."""
        await apply_changes(self._context, len(self._so_far))

    def _leader(self, state: State) -> Candidate:
        led = max(state.observed, key=lambda seen: seen.mean, default=None)
        return self._context.baseline if led is None else led.candidate

    async def _finish_best(self) -> None:
        """After the last trial: the full evaluations that are still worth it.

        They run at once, to keep all threads busy: the first know of none of the others, and what each shows, in
        their order, may ask for more. In a race the very first knows what one trial more would, so that its rows fill
        the wait for the latest trials. Under a cap each waits for all before it, as what they leave decides.
        """
        so_far = self._so_far
        capped = any(cap is not None for cap in self._context.config.budget.model_dump().values())
        if not capped and self._schedule.hurries and so_far.decided_on() == len(so_far):
            await self._finish_one(self._known())
        known = len(so_far) if capped else so_far.decided_on()
        while True:
            found = await self._finish_one(known)
            if not found and known == len(so_far):
                break
            if capped:
                known = len(so_far)
            elif not found:
                known += 1
        await self._reporter.written()
        await self._reporter.report(so_far.observed(len(so_far)), so_far.number)

    async def _finish_one(self, known: int) -> bool:
        """Start a full evaluation of the end, decided on the first `known` trials; False where none is worth it."""
        await self._settle(known)
        best = await asyncio.to_thread(self._schedule.finish, self._so_far.state(known, over=True))
        if best is not None:
            await self._start(TrialKind.FULL, best, self._val, self._so_far.number, known)
        return best is not None

    async def finish_leader(self) -> None:
        """After a stop: one full evaluation of the likely winner, if none but the baseline has one.

        A race evaluates in full at its end only; without this, whoever stops one early has nothing to show.

        Raises:
            BudgetReached: it does not fit under the caps.
        """
        so_far = self._so_far
        whole = so_far.with_all_cells()
        if whole != {self._context.baseline.id}:
            return
        best = so_far.last_begun_in_full()
        if best is None:
            state = replace(so_far.state(len(so_far), over=True), exhausted=whole)
            best = await asyncio.to_thread(self._schedule.finish, state)
        if best is None:
            return
        await self._context.announce(Phase.SEARCH, note="the likely winner on the whole validation set")
        await self._start(TrialKind.FULL, best, self._val, so_far.number, len(so_far))
        await self._tasks[-1]

    async def _settle(self, count: int) -> None:
        """Wait until the first `count` trials are finished."""
        for task in self._tasks[:count]:
            await task

    async def _start(
        self, kind: TrialKind, candidate: Candidate, examples: Sequence[Example], number: int, known: int
    ) -> None:
        order = len(self._so_far)
        trial = self._earlier.get(order)
        if trial is None:
            names = tuple(example.id for example in examples)
            new = self._so_far.new(candidate.id, names)
            self._context.evaluator.require_room(new)
            runs = self._context.evaluator.program_runs + new
            trial = Trial(order, number, kind, candidate.id, names, program_runs=runs, known=known)
            await self._context.recorder.write(trial)
        task = asyncio.create_task(self._finish(trial, candidate, examples))
        task.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen even if never awaited
        self._so_far.add(trial, candidate)
        self._tasks.append(task)
        await asyncio.sleep(0)  # the task asks for its cells before anything else is counted

    async def _finish(self, trial: Trial, candidate: Candidate, examples: Sequence[Example]) -> None:
        await self._context.evaluate(candidate, examples, FIRST_TRIAL_PRIORITY + trial.order)
        found = self._context.table.mean(candidate.id, Split.VAL, trial.examples)
        finished = replace(trial, done=True, mean=found.mean, n_ok=found.n, n_error=found.n_error)
        if not self._context.objective.is_score:
            worth = self._context.table.mean(candidate.id, Split.VAL, trial.examples, of=self._context.objective)
            finished = replace(finished, objective=worth.mean)
        if finished == trial:
            return
        await self._context.recorder.write(finished)
        progress = {
            "phase": Phase.SEARCH.value,
            "done": trial.number,
            "total": max(self._settings.trials, trial.number),
        }
        if trial.kind is not TrialKind.BASELINE:
            await self._context.recorder.write(Event(EventKind.PROGRESS, progress))

    def extract(self) -> tuple[Candidate, str]:
        """The best full evaluation, and why it is the winner."""
        return best_full_evaluation(self._context, self._so_far.trials)


def _decide(schedule: Schedule, state: State) -> tuple[Candidate | None, Candidate | None]:
    """(to finish, to grow); at most one of them."""
    finished = schedule.finish(state)
    return finished, schedule.grow(state) if finished is None else None
