"""The search: trials, several under way at once, full evaluations at intervals, and the extraction of the best.

The order of trials, what each suggestion may know and which cells each asks for are fixed by the seed, so that
threads and timing change how long a run takes and nothing else.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from optimizer_core.errors import BudgetReached
from optimizer_core.kit import Kit
from optimizer_core.optimizers.base import Optimizer, View
from optimizer_core.seeds import derive_seed, generator
from optimizer_core.surrogates import Observation
from optimizer_core.types import Candidate, CellKey, Event, Example, Phase, Split, Trial, TrialKind

__all__ = ["Search"]

FIRST_TRIAL_PRIORITY = 10
FULL_KINDS = (TrialKind.BASELINE, TrialKind.FULL)
MOST_ERRORS = 0.1
"""Share of errors above which a full evaluation does not count as one: too little of it is known."""


@dataclass
class _Item:
    trial: Trial
    task: "asyncio.Task[None]"

    @property
    def candidate(self) -> Candidate:
        return Candidate.parse(self.trial.candidate)


class Search:
    """Runs the trials of one optimizer. Trials of earlier lives are taken up first."""

    def __init__(self, kit: Kit, optimizer: Optimizer) -> None:
        self._kit = kit
        self._optimizer = optimizer
        self._settings = kit.config.search
        self._val = kit.examples[Split.VAL]
        self._by_id = {example.id: example for example in self._val}
        self._items: list[_Item] = []
        self._earlier = {trial.order: trial for trial in kit.journal.trials()}

    @property
    def n_trials(self) -> int:
        return sum(item.trial.kind is TrialKind.MINIBATCH for item in self._items)

    async def start_baseline(self) -> None:
        """Ask for the baseline's full evaluation. It needs no proposals, so it fills threads that wait for them."""
        await self._start(TrialKind.BASELINE, self._kit.baseline, self._val)

    async def run(self) -> None:
        """All trials and full evaluations.

        Raises:
            BudgetReached: a cap ended it; everything asked for before is finished, the last full evaluation included.
        """
        for order in sorted(self._earlier.keys() - {0}):
            trial = self._earlier[order]
            known = [self._by_id[name] for name in trial.examples if name in self._by_id]
            await self._start(trial.kind, Candidate.parse(trial.candidate), known)
        capped: BudgetReached | None = None
        try:
            while await self._next():
                pass
        except BudgetReached as reached:
            capped = reached
        try:
            await self.settle()
            await self._evaluate_best(len(self._items))
            await self.settle()
        except BudgetReached as reached:
            capped = capped or reached
        if capped is not None:
            raise capped

    async def settle(self) -> None:
        """Wait until everything asked for is finished."""
        await self._settle(len(self._items))

    async def _next(self) -> bool:
        """Start one more trial or full evaluation; False when there is nothing left to start."""
        last = self._items[-1].trial
        settled = len(self._items) + 1 - self._settings.lag
        due = last.kind is TrialKind.MINIBATCH and last.number % self._settings.full_eval_every == 0
        if self.n_trials >= self._settings.trials:
            return False
        await self._settle(settled)
        if due and await self._evaluate_best(settled):
            return True
        view = self._view(settled)
        candidate = await self._optimizer.propose(self._kit, view)
        if candidate is None:
            await self._kit.recorder.write(
                Event("note", {"text": "Every candidate is evaluated: nothing is left to try."})
            )
            return False
        batch = self._minibatch(view.number)
        self._keep_reserve(candidate, batch)
        await self._start(TrialKind.MINIBATCH, candidate, batch)
        return True

    def _keep_reserve(self, candidate: Candidate, batch: Sequence[Example]) -> None:
        """A trial must leave room for one last full evaluation, without which a capped run has no best to show."""
        keys = [CellKey(candidate.id, Split.VAL, example.id) for example in batch]
        needed = len(self._kit.evaluator.missing(keys)) + len(self._val)
        if not self._kit.evaluator.room_for(needed):
            raise BudgetReached(f"The cap of {self._kit.config.budget.max_program_runs} program runs is reached.")
        done = len(self._kit.table)
        reason = self._kit.meter.forecast(done, self._kit.evaluator.program_runs - done + needed)
        if reason:
            raise BudgetReached(reason)

    def _minibatch(self, number: int) -> list[Example]:
        size = min(self._settings.minibatch_size, len(self._val))
        return generator(self._kit.config.seed, "minibatch", number).sample(self._val, size)

    async def _evaluate_best(self, settled: int) -> bool:
        """Start a full evaluation of the best mean among finished trials that has none yet."""
        exhausted = self._exhausted()
        means: dict[str, tuple[float, int]] = {}
        for seen in self._observed(settled):
            if seen.candidate.id not in exhausted:
                means[seen.candidate.id] = (seen.mean, seen.n)
        if not means:
            return False
        best = max(means, key=lambda candidate: means[candidate])
        await self._start(TrialKind.FULL, Candidate.parse(best), self._val)
        return True

    def _exhausted(self) -> frozenset[str]:
        return frozenset(item.trial.candidate for item in self._items if item.trial.kind in FULL_KINDS)

    def _view(self, settled: int) -> View:
        number = self.n_trials + 1
        pending = [item.candidate for item in self._items[max(0, settled) :]]
        seed = derive_seed(self._kit.config.seed, "suggest", number)
        return View(number, self._observed(settled), pending, self._exhausted(), seed)

    def _observed(self, settled: int) -> list[Observation]:
        """Finished trials; a candidate's mean is over all its cells that those trials asked for."""
        done = self._items[: max(0, settled)]
        asked: dict[str, dict[str, None]] = {}
        for item in done:
            asked.setdefault(item.trial.candidate, {}).update(dict.fromkeys(item.trial.examples))
        observations = []
        for item in done:
            known = self._kit.table.mean(item.trial.candidate, Split.VAL, list(asked[item.trial.candidate]))
            if item.trial.kind is not TrialKind.FULL and known.mean is not None:
                observations.append(Observation(item.candidate, known.mean, known.n))
        return observations

    async def _settle(self, count: int) -> None:
        """Wait until the first `count` items are finished."""
        for item in self._items[: max(0, count)]:
            await item.task

    async def _start(self, kind: TrialKind, candidate: Candidate, examples: Sequence[Example]) -> None:
        order = len(self._items)
        number = self.n_trials + (kind is TrialKind.MINIBATCH)
        names = tuple(example.id for example in examples)
        evaluator = self._kit.evaluator
        new = len(evaluator.missing(CellKey(candidate.id, Split.VAL, name) for name in names))
        runs = evaluator.program_runs + new
        trial = self._earlier.get(order) or Trial(order, number, kind, candidate.id, names, program_runs=runs)
        if not evaluator.room_for(new):
            raise BudgetReached(f"The cap of {self._kit.config.budget.max_program_runs} program runs is reached.")
        if order not in self._earlier:
            await self._kit.recorder.write(trial)
        item = _Item(trial, asyncio.create_task(self._finish(trial, candidate, examples)))
        item.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen even if never awaited
        self._items.append(item)
        await asyncio.sleep(0)  # the task asks for its cells before anything else is counted

    async def _finish(self, trial: Trial, candidate: Candidate, examples: Sequence[Example]) -> None:
        await self._kit.evaluate(candidate, examples, FIRST_TRIAL_PRIORITY + trial.order)
        known = self._kit.table.mean(candidate.id, Split.VAL, trial.examples)
        finished = replace(trial, done=True, mean=known.mean, n_ok=known.n, n_error=known.n_error)
        if finished == trial:
            return
        await self._kit.recorder.write(finished)
        progress = {"phase": Phase.SEARCH.value, "done": trial.number, "total": self._settings.trials}
        if trial.kind is TrialKind.MINIBATCH:
            await self._kit.recorder.write(Event("progress", progress))

    def extract(self) -> tuple[Candidate, str]:
        """The best full evaluation and why: only those count in which nearly every example has a score."""
        n = len(self._val)
        eligible = []
        for candidate in dict.fromkeys(item.trial.candidate for item in self._items if item.trial.kind in FULL_KINDS):
            known = self._kit.table.mean(candidate, Split.VAL)
            whole = known.n + known.n_error == n and known.n_error <= MOST_ERRORS * n
            if known.mean is not None and whole:
                eligible.append((known.mean, candidate))
        baseline = self._kit.baseline
        if not eligible:
            return baseline, "No candidate was evaluated on the whole validation set, so the program stays as it is."
        mean, best = max(eligible, key=lambda pair: pair[0])  # of equals, the first evaluated
        if best == baseline.id:
            return baseline, f"None of {len(eligible) - 1} fully evaluated candidates beat the baseline's {mean:.3f}."
        tried = len({item.trial.candidate for item in self._items})
        reason = (
            f"Best of {len(eligible)} full evaluations on {n} validation examples, out of {tried} candidates tried."
        )
        return Candidate.parse(best), reason
