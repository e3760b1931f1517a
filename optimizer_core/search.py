"""The search: trials, several under way at once, full evaluations at intervals, and the extraction of the best.

The order of trials, what each suggestion may know and which cells each asks for are fixed by the seed, so that
threads and timing change how long a run takes and nothing else.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mipro_studio.optimizer_core.beliefs import beliefs
from mipro_studio.optimizer_core.errors import BudgetReached
from mipro_studio.optimizer_core.failures import in_words
from mipro_studio.optimizer_core.kit import Kit
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View
from mipro_studio.optimizer_core.schedules import Schedule, State, make_schedule
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.surrogates import Observation
from mipro_studio.optimizer_core.surrogates.base import by_candidate
from mipro_studio.optimizer_core.taking_up import first_tries, take_up, with_untried
from mipro_studio.optimizer_core.types import Candidate, CellKey, Event, Example, Phase, Split, Trial, TrialKind

__all__ = ["Search"]

FIRST_TRIAL_PRIORITY = 10
FULL_KINDS = (TrialKind.BASELINE, TrialKind.FULL)
MOST_ERRORS = 0.1
"""Share of errors above which a full evaluation does not count as one: too little of it is known."""
NOT_FITTED = (
    "The model of the scores could not be fitted to the cells so far, so the search goes by shrunken means "
    "until it can."
)


@dataclass
class _Item:
    trial: Trial
    candidate: Candidate
    task: "asyncio.Task[None]"


class Search:
    """Runs the trials of one optimizer. Trials of earlier lives are taken up first."""

    def __init__(self, kit: Kit, optimizer: Optimizer) -> None:
        self._kit = kit
        self._optimizer = optimizer
        self._settings = kit.config.search
        self._schedule = make_schedule(self._settings)
        self._val = kit.examples[Split.VAL]
        self._by_id = {example.id: example for example in self._val}
        self._items: list[_Item] = []
        self._asked: dict[str, dict[str, None]] = {}
        self._learned = 0
        self._settled: dict[str, dict[str, None]] = {}
        self._known: dict[str, Observation] = {}
        self._earlier = {trial.order: trial for trial in kit.journal.trials()}
        self._reporting: asyncio.Task[None] | None = None

    @property
    def n_trials(self) -> int:
        return max((item.trial.number for item in self._items), default=0)

    @property
    def n_suggested(self) -> int:
        """Trials of the optimizer; those that a person's arms get come on top."""
        return self.n_trials - first_tries(self._kit.arms, [item.candidate for item in self._items])

    async def start_baseline(self) -> None:
        """Ask for the baseline's full evaluation. It needs no proposals, so it fills threads that wait for them."""
        await self._start(TrialKind.BASELINE, self._kit.baseline, self._val, 0)

    async def run(self) -> None:
        """All trials and full evaluations.

        Raises:
            BudgetReached: a cap ended it; everything asked for before is finished, the last full evaluation included.
        """
        for order in sorted(self._earlier.keys() - {0}):
            trial = self._earlier[order]
            known = [self._by_id[name] for name in trial.examples if name in self._by_id]
            await self._start(trial.kind, Candidate.parse(trial.candidate), known, trial.number)
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

    async def settle(self) -> None:
        """Wait until everything asked for is finished."""
        await self._settle(len(self._items))

    async def _next(self) -> bool:
        """Start one more trial or full evaluation; False when there is nothing left to start."""
        await self.take_up()
        if self.n_suggested >= self._settings.trials and self._asked_for(self._kit.baseline) is None:
            return False
        settled = max(0, len(self._items) + 1 - self._settings.lag)
        await self._settle(settled)
        state = self._state(settled)
        # Models of the score take milliseconds of arithmetic; in a thread they hold up no running evaluation.
        finished, grown = await asyncio.to_thread(_decide, self._schedule, state)
        if finished is not None:
            await self._start(TrialKind.FULL, finished, self._val, self.n_trials)
            return True
        number = self.n_trials + 1
        if number % self._settings.full_eval_every == 0:
            await self._reported()
            self._reporting = asyncio.create_task(self._report(state.observed, number))
        candidate = self._asked_for(self._leader(state)) or grown
        candidate = candidate or await self._optimizer.propose(self._kit, self._view(state, settled))
        if candidate is None:
            text = "Every candidate is evaluated: nothing is left to try."
            await self._kit.recorder.write(Event("note", {"text": text}))
            return False
        batch = self._schedule.batch(state, candidate, number)
        whole = len({*state.asked.get(candidate.id, ()), *batch}) == len(self._val)
        kind = TrialKind.FULL if whole else TrialKind.MINIBATCH
        examples = self._val if whole else [self._by_id[name] for name in batch]
        self._keep_reserve(candidate, examples, 0 if whole else self._schedule.reserve(state, candidate, batch))
        await self._start(kind, candidate, examples, number)
        return True

    async def take_up(self) -> None:
        """Take up what a person asked of the arms; it holds from the next trial on."""
        await take_up(self._kit, len(self._items))

    def _asked_for(self, leader: Candidate) -> Candidate | None:
        """`leader` with the next arm of a person that no trial has tried."""
        return with_untried(self._kit.arms, [item.candidate for item in self._items], leader)

    def _leader(self, state: State) -> Candidate:
        led = max(state.observed, key=lambda seen: seen.mean, default=None)
        return self._kit.baseline if led is None else led.candidate

    def _keep_reserve(self, candidate: Candidate, batch: Sequence[Example], reserve: int) -> None:
        """A trial must leave room for one last full evaluation, without which a capped run has no best to show."""
        keys = [CellKey(candidate.id, Split.VAL, example.id) for example in batch]
        needed = len(self._kit.evaluator.missing(keys)) + reserve
        if not self._kit.evaluator.room_for(needed):
            raise BudgetReached(f"The cap of {self._kit.config.budget.max_program_runs} program runs is reached.")
        done = len(self._kit.table)
        reason = self._kit.meter.forecast(done, self._kit.evaluator.program_runs - done + needed)
        if reason:
            raise BudgetReached(reason)

    async def _finish_best(self) -> None:
        """After the last trial: the full evaluations that are still worth it.

        They run at once, to keep all threads busy; what they show may ask for more. Under a cap each waits for the
        one before, as what that leaves of the cap decides about the next.
        """
        await self.settle()
        settled = len(self._items)
        capped = any(cap is not None for cap in self._kit.config.budget.model_dump().values())
        while True:
            state = self._state(settled, over=True)
            best = await asyncio.to_thread(self._schedule.finish, state)
            if best is not None:
                await self._start(TrialKind.FULL, best, self._val, self.n_trials)
            elif settled == len(self._items):
                break
            if best is None or capped:
                await self.settle()
                settled = len(self._items)
        await self._reported()
        await self._report(self._observed(len(self._items)), self.n_trials)

    async def finish_leader(self) -> None:
        """After a stop: one full evaluation of the likely winner, if none but the baseline has one.

        A race evaluates in full at its end only; without this, whoever stops one early has nothing to show.

        Raises:
            BudgetReached: it does not fit under the caps.
        """
        whole = self._whole()
        if whole != {self._kit.baseline.id}:
            return
        begun = [item.candidate for item in self._items if item.trial.kind is TrialKind.FULL]
        best = next((one for one in reversed(begun) if self._kit.allows(one)), None)
        if best is None:
            state = replace(self._state(len(self._items), over=True), exhausted=whole)
            best = await asyncio.to_thread(self._schedule.finish, state)
        if best is None:
            return
        await self._kit.announce(Phase.SEARCH, note="the likely winner on the whole validation set")
        await self._start(TrialKind.FULL, best, self._val, self.n_trials)
        await self._items[-1].task

    def _whole(self) -> frozenset[str]:
        """Candidates with a cell for every validation example."""
        tried = {item.trial.candidate for item in self._items}
        return frozenset(one for one in tried if len(self._kit.table.row(one, Split.VAL)) == len(self._val))

    async def _reported(self) -> None:
        """Wait for the report that is being written, if any: one after the other, and no error of one is lost."""
        if self._reporting is not None:
            await self._reporting

    async def _report(self, observed: Sequence[Observation], number: int) -> None:
        """Write down what the trials so far come to, for people who watch: beside the search, which goes on."""
        kit = self._kit
        if not observed or self._told(number):
            return
        if kit.space.parameters:
            believed = await asyncio.to_thread(
                beliefs, kit.space, observed, self._settings.surrogate, kit.config.seed
            )
            await kit.recorder.write(Event("beliefs", {"trial": number, **believed}))
            if not believed["converged"]:
                await kit.recorder.write(Event("warning", {"text": NOT_FITTED}))
        scores = {one.candidate.id: one.scores for one in by_candidate(observed).values() if one.scores}
        rows = await asyncio.to_thread(self._optimizer.importance, kit, scores)
        if rows:
            short = [{key: value for key, value in row.items() if key != "arms"} for row in rows]
            await kit.recorder.write(Event("importance", {"trial": number, "rows": short}))

    def _told(self, number: int) -> bool:
        """Whether this was said in an earlier life, whose trials are only taken up again."""
        return any(trial.number > number for trial in self._earlier.values())

    def _exhausted(self) -> frozenset[str]:
        return frozenset(item.trial.candidate for item in self._items if item.trial.kind in FULL_KINDS)

    def _state(self, settled: int, over: bool = False) -> State:
        return State(
            examples=[example.id for example in self._val],
            observed=[seen for seen in self._observed(settled) if self._kit.allows(seen.candidate)],
            asked=self._asked,
            exhausted=self._exhausted(),
            last=self._items[-1].trial,
            over=over,
            room=self._kit.evaluator.room,
            seed=self._kit.config.seed,
        )

    def _view(self, state: State, settled: int) -> View:
        pending = [item.candidate for item in self._items[settled:]]
        seed = derive_seed(self._kit.config.seed, "suggest", self.n_trials + 1)
        observed = self._observed(settled)
        return View(self.n_suggested + 1, observed, pending, state.exhausted, seed, self._progress())

    def _progress(self) -> float:
        """Share that is spent of the trials, or of the cap where that ends first. The same when resumed."""
        spent = self.n_trials / max(self._settings.trials, 1)
        cap = self._kit.config.budget.max_program_runs
        if cap is not None:
            spent = max(spent, self._items[-1].trial.program_runs / cap)
        return min(spent, 1.0)

    def _observed(self, settled: int) -> list[Observation]:
        """Finished trials but repeated full evaluations; a candidate's mean is over all its cells they asked for."""
        done = [item.trial for item in self._items[:settled]]
        for trial in done[self._learned :]:
            self._learn(trial)
        self._learned = max(self._learned, settled)
        seen: set[str] = set()
        observations = []
        for trial in done:
            told = trial.candidate in seen and trial.kind is TrialKind.FULL
            seen.add(trial.candidate)
            if trial.candidate in self._known and not told:
                observations.append(self._known[trial.candidate])
        return observations

    def _learn(self, trial: Trial) -> None:
        """Take up a settled trial's cells. Only such trials count, so that timing decides nothing."""
        asked = self._settled.setdefault(trial.candidate, {})
        asked.update(dict.fromkeys(trial.examples))
        row = self._kit.table.row(trial.candidate, Split.VAL)
        cells = {name: row[name].score for name in asked if name in row}
        scores = {name: score for name, score in cells.items() if score is not None}
        if scores:
            mean = sum(scores.values()) / len(scores)
            self._known[trial.candidate] = Observation(Candidate.parse(trial.candidate), mean, len(scores), scores)

    async def _settle(self, count: int) -> None:
        """Wait until the first `count` items are finished."""
        for item in self._items[:count]:
            await item.task

    async def _start(self, kind: TrialKind, candidate: Candidate, examples: Sequence[Example], number: int) -> None:
        order = len(self._items)
        names = tuple(example.id for example in examples)
        evaluator = self._kit.evaluator
        new = len(evaluator.missing(CellKey(candidate.id, Split.VAL, name) for name in names))
        runs = evaluator.program_runs + new
        trial = self._earlier.get(order) or Trial(order, number, kind, candidate.id, names, program_runs=runs)
        if not evaluator.room_for(new):
            raise BudgetReached(f"The cap of {self._kit.config.budget.max_program_runs} program runs is reached.")
        if order not in self._earlier:
            await self._kit.recorder.write(trial)
        item = _Item(trial, candidate, asyncio.create_task(self._finish(trial, candidate, examples)))
        item.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen even if never awaited
        self._items.append(item)
        self._asked.setdefault(trial.candidate, {}).update(dict.fromkeys(trial.examples))
        await asyncio.sleep(0)  # the task asks for its cells before anything else is counted

    async def _finish(self, trial: Trial, candidate: Candidate, examples: Sequence[Example]) -> None:
        await self._kit.evaluate(candidate, examples, FIRST_TRIAL_PRIORITY + trial.order)
        known = self._kit.table.mean(candidate.id, Split.VAL, trial.examples)
        finished = replace(trial, done=True, mean=known.mean, n_ok=known.n, n_error=known.n_error)
        if finished == trial:
            return
        await self._kit.recorder.write(finished)
        progress = {
            "phase": Phase.SEARCH.value,
            "done": trial.number,
            "total": max(self._settings.trials, trial.number),
        }
        if trial.kind is not TrialKind.BASELINE:
            await self._kit.recorder.write(Event("progress", progress))

    def extract(self) -> tuple[Candidate, str]:
        """The best full evaluation and why: only those count in which nearly every example has a score."""
        n = len(self._val)
        eligible = []
        for candidate in dict.fromkeys(item.trial.candidate for item in self._items if item.trial.kind in FULL_KINDS):
            known = self._kit.table.mean(candidate, Split.VAL)
            whole = known.n + known.n_error == n and known.n_error <= MOST_ERRORS * n
            if known.mean is not None and whole and self._kit.allows(Candidate.parse(candidate)):
                eligible.append((known.mean, candidate))
        baseline = self._kit.baseline
        if not eligible:
            failed = in_words(list(self._kit.table.row(baseline.id, Split.VAL).values()))
            why = f" The baseline: {failed}." if failed else ""
            return baseline, (
                f"No candidate was evaluated on the whole validation set, so the program stays as it is.{why}"
            )
        mean, best = max(eligible, key=lambda pair: pair[0])  # of equals, the first evaluated
        if best == baseline.id and len(eligible) == 1:
            return baseline, (
                "No candidate but the baseline was evaluated on the whole validation set yet, so the program "
                "stays as it is. Resume the run to go on."
            )
        if best == baseline.id:
            return baseline, f"None of {len(eligible) - 1} fully evaluated candidates beat the baseline's {mean:.3f}."
        tried = len({item.trial.candidate for item in self._items})
        reason = (
            f"Best of {len(eligible)} full evaluations on {n} validation examples, out of {tried} candidates tried."
        )
        return Candidate.parse(best), reason


def _decide(schedule: Schedule, state: State) -> tuple[Candidate | None, Candidate | None]:
    """(to finish, to grow); at most one of them."""
    finished = schedule.finish(state)
    return finished, schedule.grow(state) if finished is None else None
