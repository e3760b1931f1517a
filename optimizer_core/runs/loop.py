"""The search: trials, several under way at once, full evaluations at intervals, and the extraction of the best.

The order of trials, what each decision may know and which cells each asks for are fixed by the seed, so that
threads and timing change how long a run takes and nothing else. A trial's record says how many of the trials before
it its decision knew (`Trial.known`); a resumed run goes on from there, so it decides as the life before would have.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mipro_studio.optimizer_core.analysis.headroom import verdict_after
from mipro_studio.optimizer_core.errors import BudgetReached
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.runs.apply_edits import first_tries, take_up, with_untried
from mipro_studio.optimizer_core.runs.extraction import best_full_evaluation
from mipro_studio.optimizer_core.runs.reporting import Reporter
from mipro_studio.optimizer_core.search.knowledge import Knowledge, known_spending
from mipro_studio.optimizer_core.search.schedules import Schedule, State, make_schedule
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import (
    FULL_KINDS,
    Candidate,
    CellKey,
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


@dataclass
class _Item:
    trial: Trial
    candidate: Candidate
    task: "asyncio.Task[None]"


class Search:
    """Runs the trials of one optimizer. Trials of earlier lives are taken up first."""

    def __init__(self, context: RunContext, optimizer: Optimizer) -> None:
        self._context = context
        self._optimizer = optimizer
        self._settings = context.config.search
        self._schedule = make_schedule(self._settings)
        self._val = context.examples[Split.VAL]
        self._by_id = {example.id: example for example in self._val}
        self._items: list[_Item] = []
        self._asked: dict[str, dict[str, None]] = {}
        self._knowledge = Knowledge(context.table, context.objective)
        self._earlier = {trial.order: trial for trial in context.journal.trials()}
        self._reporter = Reporter(context, optimizer, max((one.number for one in self._earlier.values()), default=0))

    @property
    def n_trials(self) -> int:
        return max((item.trial.number for item in self._items), default=0)

    @property
    def n_suggested(self) -> int:
        """Trials of the optimizer; those that a person's arms get come on top."""
        return self.n_trials - first_tries(self._context.arms, [item.candidate for item in self._items])

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
            if trial.number > self.n_trials:
                known = trial.known or 0
                await self._settle(known)
                await self._optimizer.prepare(self._context, self._view(self._state(known), known))
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
        await self._settle(len(self._items))

    async def _next(self) -> bool:
        """Start one more trial or full evaluation; False when there is nothing left to start."""
        await self.take_up()
        if self.n_suggested >= self._settings.trials and self._asked_for(self._context.baseline) is None:
            return False
        known = self._known()
        await self._settle(known)
        state = self._state(known)
        # Models of the score take milliseconds of arithmetic; in a thread they hold up no running evaluation.
        finished, grown = await asyncio.to_thread(_decide, self._schedule, state)
        if finished is not None:
            await self._start(TrialKind.FULL, finished, self._val, self.n_trials, known)
            return True
        number = self.n_trials + 1
        await self._say_headroom(known)
        view = self._view(state, known)
        await self._optimizer.prepare(self._context, view)
        if number % self._settings.full_eval_every == 0:
            await self._reporter.begin(state.observed, number)
        candidate = self._asked_for(self._leader(state)) or grown
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
        self._keep_reserve(self._new(candidate.id, [example.id for example in examples]) + reserve, known)
        await self._start(kind, candidate, examples, number, known)
        return True

    async def _say_headroom(self, known: int) -> None:
        """Once: at the first decision that knows the trials which the verdict needs. Where the verdict may end the
        run it is waited for, as every trial more would be spent for nothing."""
        needed = verdict_after(self._settings.trials) + 1
        if self._settings.least_headroom:
            if len(self._items) == needed:
                await self.settle()
                await self._reporter.headroom(self._observed(needed), self.n_trials + 1)
        elif (self._items[-1].trial.known or 0) < needed <= known:
            await self._reporter.headroom(self._observed(known), self.n_trials + 1)

    def _known(self) -> int:
        """How many trials, in order, the next decision knows: all but the latest `lag - 1`, and never fewer than the
        one before it did."""
        last = self._items[-1].trial
        if self._schedule.waits(last):
            return len(self._items)
        return max(len(self._items) + 1 - self._settings.lag, last.known or 0, 0)

    async def take_up(self) -> None:
        """Take up what a person asked of the arms; it holds from the next trial on."""
        await take_up(self._context, len(self._items))

    def _asked_for(self, leader: Candidate) -> Candidate | None:
        """`leader` with the next arm of a person that no trial has tried."""
        return with_untried(self._context.arms, [item.candidate for item in self._items], leader)

    def _leader(self, state: State) -> Candidate:
        led = max(state.observed, key=lambda seen: seen.mean, default=None)
        return self._context.baseline if led is None else led.candidate

    def _keep_reserve(self, needed: int, known: int) -> None:
        """A trial must leave room for one last full evaluation, without which a capped run has no best to show.

        Args:
            needed: Program runs of the trial and of that evaluation.
        """
        context = self._context
        if not context.evaluator.room_for(needed):
            raise self._no_room()
        if not context.meter.capped:
            return
        cells, done = self._knowledge.spent([item.trial for item in self._items[:known]])
        spent = cells + known_spending(call.usage for call in context.proposer.prompter.calls)
        reason = context.meter.forecast(
            replace(spent, calls=spent.calls + spent.retries), done, context.evaluator.program_runs - done + needed
        )
        if reason:
            raise BudgetReached(reason)

    def _no_room(self) -> BudgetReached:
        return BudgetReached(f"The cap of {self._context.config.budget.max_program_runs} program runs is reached.")

    def _new(self, candidate: str, examples: Sequence[str]) -> int:
        """How many of these cells would count against the cap: a second try of one that failed does not."""
        missing = self._context.evaluator.missing([CellKey(candidate, Split.VAL, name) for name in examples])
        return sum(self._context.table.get(key) is None for key in missing)

    async def _finish_best(self) -> None:
        """After the last trial: the full evaluations that are still worth it.

        They run at once, to keep all threads busy: the first know of none of the others, and what each shows, in
        their order, may ask for more. Under a cap each waits for all before it, as what they leave decides.
        """
        capped = any(cap is not None for cap in self._context.config.budget.model_dump().values())
        known = len(self._items) if capped else self._round()
        while True:
            await self._settle(known)
            best = await asyncio.to_thread(self._schedule.finish, self._state(known, over=True))
            if best is not None:
                await self._start(TrialKind.FULL, best, self._val, self.n_trials, known)
            elif known == len(self._items):
                break
            if capped:
                known = len(self._items)
            elif best is None:
                known += 1
        await self._reporter.written()
        await self._reporter.report(self._observed(len(self._items)), self.n_trials)

    def _round(self) -> int:
        """What the latest full evaluation of the end was decided on; everything, when there is none."""
        *before, last = (item.trial for item in self._items)
        again = last.kind is TrialKind.FULL and before and before[-1].number == last.number
        return last.known if again and last.known is not None else len(self._items)

    async def finish_leader(self) -> None:
        """After a stop: one full evaluation of the likely winner, if none but the baseline has one.

        A race evaluates in full at its end only; without this, whoever stops one early has nothing to show.

        Raises:
            BudgetReached: it does not fit under the caps.
        """
        whole = self._whole()
        if whole != {self._context.baseline.id}:
            return
        begun = [item.candidate for item in self._items if item.trial.kind is TrialKind.FULL]
        best = next((one for one in reversed(begun) if self._context.allows(one)), None)
        if best is None:
            state = replace(self._state(len(self._items), over=True), exhausted=whole)
            best = await asyncio.to_thread(self._schedule.finish, state)
        if best is None:
            return
        await self._context.announce(Phase.SEARCH, note="the likely winner on the whole validation set")
        await self._start(TrialKind.FULL, best, self._val, self.n_trials, len(self._items))
        await self._items[-1].task

    def _whole(self) -> frozenset[str]:
        """Candidates with a cell for every validation example."""
        tried = {item.trial.candidate for item in self._items}
        return frozenset(one for one in tried if len(self._context.table.row(one, Split.VAL)) == len(self._val))

    def _exhausted(self) -> frozenset[str]:
        return frozenset(item.trial.candidate for item in self._items if item.trial.kind in FULL_KINDS)

    def _state(self, known: int, over: bool = False) -> State:
        out = self._knowledge.ruled_out([item.trial for item in self._items[:known]])
        observed = [seen for seen in self._observed(known) if seen.candidate.id not in out]
        return State(
            examples=[example.id for example in self._val],
            observed=[seen for seen in observed if self._context.allows(seen.candidate)],
            asked=self._asked,
            exhausted=self._exhausted(),
            last=self._items[-1].trial,
            over=over,
            room=self._context.evaluator.room,
            seed=self._context.config.seed,
            ruled_out=out,
            features=self._context.space.features,
        )

    def _view(self, state: State, known: int) -> View:
        pending = [item.candidate for item in self._items[known:]]
        seed = derive_seed(self._context.config.seed, "suggest", self.n_trials + 1)
        observed = self._observed(known)
        number = self.n_suggested + 1
        cap = self._context.config.budget.max_program_runs
        room = None if cap is None else cap - self._items[-1].trial.program_runs
        nothing_to_learn = state.exhausted | state.ruled_out
        return View(number, observed, pending, nothing_to_learn, seed, self._progress(), self.n_trials + 1, room)

    def _progress(self) -> float:
        """Share that is spent of the trials, or of the cap where that ends first. The same when resumed."""
        spent = self.n_trials / max(self._settings.trials, 1)
        cap = self._context.config.budget.max_program_runs
        if cap is not None:
            spent = max(spent, self._items[-1].trial.program_runs / cap)
        return min(spent, 1.0)

    def _observed(self, known: int) -> list[Observation]:
        return self._knowledge.observed([item.trial for item in self._items[:known]])

    async def _settle(self, count: int) -> None:
        """Wait until the first `count` items are finished."""
        for item in self._items[:count]:
            await item.task

    async def _start(
        self, kind: TrialKind, candidate: Candidate, examples: Sequence[Example], number: int, known: int
    ) -> None:
        order = len(self._items)
        trial = self._earlier.get(order)
        if trial is None:
            names = tuple(example.id for example in examples)
            new = self._new(candidate.id, names)
            if not self._context.evaluator.room_for(new):
                raise self._no_room()
            runs = self._context.evaluator.program_runs + new
            trial = Trial(order, number, kind, candidate.id, names, program_runs=runs, known=known)
            await self._context.recorder.write(trial)
        item = _Item(trial, candidate, asyncio.create_task(self._finish(trial, candidate, examples)))
        item.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen even if never awaited
        self._items.append(item)
        self._asked.setdefault(trial.candidate, {}).update(dict.fromkeys(trial.examples))
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
        return best_full_evaluation(self._context, [item.trial for item in self._items])


def _decide(schedule: Schedule, state: State) -> tuple[Candidate | None, Candidate | None]:
    """(to finish, to grow); at most one of them."""
    finished = schedule.finish(state)
    return finished, schedule.grow(state) if finished is None else None
