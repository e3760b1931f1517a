"""One run from first to last: Algorithm 1 of the MIPRO paper with a memory, a review gate, caps and a sealed test."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import median

from mipro_studio.optimizer_core.analysis.winner import corrected
from mipro_studio.optimizer_core.errors import (
    BudgetReached,
    ReviewWanted,
    RunFailed,
    RunPaused,
    StopRequested,
    StudioError,
    TooManyErrors,
)
from mipro_studio.optimizer_core.evaluation.executor import OF_EXECUTOR, Executor
from mipro_studio.optimizer_core.evaluation.failures import MEND, TRY_AGAIN, with_example
from mipro_studio.optimizer_core.evaluation.refusals import who_refused
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.registry import Optimizer
from mipro_studio.optimizer_core.runs.loop import Search
from mipro_studio.optimizer_core.runs.outcome_evidence import evidence_for, objective_evidence
from mipro_studio.optimizer_core.runs.rehearsal import rehearse, require_working
from mipro_studio.optimizer_core.types import Candidate, Event, EventKind, Json, Outcome, Phase, Split, Status

__all__ = ["Ending", "Run"]

TEST_PRIORITY = 1_000_000
GRACE_S = 5.0
"""Seconds that what is under way has to end when a person stops the run."""
USUAL_TIMES = 3.0
HANGS = "Stopped by a person. A row hangs, so the sealed test was given up: resume the run to score it."


@dataclass(frozen=True)
class Ending:
    """How a life of a run ended.

    Attributes:
        capped: At a cap, which is no ordinary end.
        given_up: (Nearly) every program run failed; a person may want it to go on all the same.
    """

    status: Status
    reason: str
    capped: bool = False
    given_up: bool = False


class Run:
    """Runs an optimizer on a context.

    Args:
        approved: The review gate is open (a person said go, or no review was asked for).
    """

    def __init__(self, context: RunContext, optimizer: Optimizer, executor: Executor, approved: bool = True) -> None:
        self._context = context
        self._optimizer = optimizer
        self._executor = executor
        self._approved = approved
        self._search = Search(context, optimizer)
        self._grace: asyncio.TimerHandle | None = None
        self._stop: StopRequested | None = None
        self._hangs = False

    def request(self, reason: RunPaused | StopRequested, grace_s: float | None = None) -> None:
        """Let the run stand still or end: what is under way is finished, nothing else begins.

        Belongs to the run's event loop. A stop outdoes a pause.

        Args:
            grace_s: Seconds after which what is not finished is given up; None = rows have the time that they have.
        """
        self._executor.refuse(reason)
        if isinstance(reason, StopRequested):
            self._stop = reason
        if grace_s is not None and self._grace is None:
            self._grace = asyncio.get_running_loop().call_later(grace_s, self._give_up, reason)

    def _give_up(self, reason: StudioError) -> None:
        self._hangs = self._executor.give_up(reason) > self._patience_s()

    def _patience_s(self) -> float:
        """Seconds after which a row hangs for whoever waits for the end: rows may be slow as a rule."""
        seconds = [cell.seconds_s for cell in self._context.table.cells() if cell.score is not None]
        return max(GRACE_S, USUAL_TIMES * (median(seconds) if seconds else 0.0))

    async def _stand_still(self) -> None:
        """Wait until nothing is under way any more."""
        await self._executor.drain()
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    async def execute(self, still: Callable[[], None] = lambda: None) -> Ending:
        """Run to an end. What ends a run is an `Ending`; only a lost lease and programming errors are raised.

        Args:
            still: Called when nothing of the search is under way any more: what was requested has taken effect.
        """
        others = asyncio.all_tasks()
        try:
            ending = await self._optimize()
        except (StopRequested, RunPaused, RunFailed, BudgetReached, ReviewWanted) as reason:
            ending = _ending(reason)
            if not isinstance(reason, BudgetReached):  # what was asked for under the cap is still wanted
                self._executor.refuse(reason)
        await self._stand_still()
        if self._stop is not None and ending.status is Status.PAUSED:
            ending = _ending(self._stop)
        still()
        # What was answered meanwhile is still being written down by tasks that nobody waits for any more.
        begun = (task for task in asyncio.all_tasks() - others if task.get_name() != OF_EXECUTOR)
        await asyncio.gather(*begun, return_exceptions=True)
        ending = self._unless_unrecorded(ending)
        if ending.status is Status.FAILED or ending.given_up:
            who = who_refused(self._context.table.cells(), self._context.config)
            ending = replace(ending, reason=f"{ending.reason} {who}".strip())
        if self._optimizer.evaluates and ending.status in (Status.STOPPED, Status.COMPLETED):
            ending = self._unless_unrecorded(await self._conclude(ending))
        return ending

    def _unless_unrecorded(self, ending: Ending) -> Ending:
        """`ending`, unless what led to it could not be written down."""
        failure = self._context.recorder.failure
        if failure is None or ending.status is Status.PAUSED:
            return ending
        if not isinstance(failure, RunPaused):
            raise failure
        return _ending(failure)

    async def _optimize(self) -> Ending:
        context = self._context
        context.restore()
        await context.add_seed_arms()
        await context.announce(Phase.SETUP)
        if context.config.rehearse:
            await context.announce(Phase.SETUP, note="trying the program on its first training rows")
            require_working(await rehearse(context), context.config, context.examples[Split.TRAIN])
        if not self._optimizer.evaluates:
            await self._optimizer.initialize(context)
            await context.announce(Phase.DONE)
            return Ending(Status.COMPLETED, "")
        await self._search.start_baseline()  # first, so that a cap that is too small for more has room for it
        await self._optimizer.initialize(context)
        if not self._approved and self._optimizer.reviewed:
            await self._search.apply_changes()
            await self._search.settle()
            return Ending(Status.AWAITING_REVIEW, f"Read {self._optimizer.reviewed}, edit or reject, then say go.")
        if not self._approved and not self._optimizer.reviews_later:
            text = (
                f"{self._optimizer.name} writes its candidates during the search, so there is nothing to review yet."
            )
            await context.recorder.write(Event(EventKind.NOTE, {"text": text}))
        await context.announce(Phase.SEARCH, 0, context.config.search.trials)
        await self._search.run()
        return Ending(Status.COMPLETED, "")

    async def _conclude(self, ending: Ending) -> Ending:
        """Extract the best and score the sealed test, once, for the baseline and the winner."""
        context = self._context
        self._executor.refuse(None)
        winner: Candidate | None = None
        try:
            if ending.status is Status.STOPPED and not self._hangs:
                context.evaluator.hurry(self._patience_s(), StopRequested(HANGS))
                with suppress(BudgetReached):
                    await self._search.finish_leader()
            context.meter.open_for_test()
            winner, reason = self._extract()
            if not context.table.mean(winner.id, Split.VAL).n:
                return self._nothing_scored(ending)
            if self._hangs:
                raise StopRequested(HANGS)
            others = [candidate for _, candidate in self._optimizer.reached(context)]
            await self._test(list(dict.fromkeys((context.baseline, winner, *others))))
            return await self._written(ending, winner, reason)
        except (RunPaused, StopRequested, RunFailed) as stopped:
            self._executor.refuse(stopped)
            await self._stand_still()
            if ending.status is Status.STOPPED and context.recorder.failure is None:
                stopped = _without_test(ending, stopped)
            if winner is not None and isinstance(stopped, StopRequested):
                await context.recorder.write(self.outcome(winner, reason, tested=False))
            return _ending(stopped)

    def _extract(self) -> tuple[Candidate, str]:
        final = self._optimizer.final(self._context)
        return self._search.extract() if final is None else (final, "What the last step ended with, better or not.")

    async def _written(self, ending: Ending, winner: Candidate, reason: str) -> Ending:
        """`ending` once the outcome is on record."""
        context = self._context
        tested = list(context.table.row(winner.id, Split.TEST).values())
        if tested and all(cell.error for cell in tested):
            reason = f"{reason} The sealed test has no score: {with_example(tested)}"
        await context.recorder.write(self.outcome(winner, reason))
        await context.announce(Phase.DONE, note=reason)
        return replace(ending, reason=ending.reason or reason)

    def _nothing_scored(self, ending: Ending) -> Ending:
        """There is no winner: what would be one has no score. Unless a person ended the run, that is to be mended."""
        table = self._context.table
        failed = with_example(list(table.cells())).rstrip(".")
        some = bool(table.scores(Split.VAL))
        what = "No candidate was scored on the whole validation set" if some else "Nothing was scored"
        said = f"{what}: {failed}." if failed else f"{what}."
        if ending.status is Status.STOPPED or not failed:
            return replace(ending, reason=f"{ending.reason} {said}".strip())
        if self._context.config.despite_errors:
            return Ending(Status.FAILED, f"{said} {MEND}")
        return Ending(Status.PAUSED, f"{said} {TRY_AGAIN}", given_up=True)

    async def _test(self, candidates: Sequence[Candidate]) -> None:
        test = self._context.examples.get(Split.TEST, [])
        if test:
            await self._context.announce(Phase.TEST, 0, len(test) * len(candidates))
            evaluations = (self._context.evaluate(one, test, TEST_PRIORITY, sealed=True) for one in candidates)
            await asyncio.gather(*evaluations)

    def outcome(self, winner: Candidate, reason: str, tested: bool = True) -> Outcome:
        """The evidence for `winner`: estimates on validation and test, paired with the baseline, and importance.

        Args:
            tested: The sealed test is whole; a part of it says nothing.
        """
        context = self._context
        splits = (Split.VAL, Split.TEST) if tested else (Split.VAL,)
        evidence = evidence_for(context.table, winner, context.baseline, splits)
        objective = None
        if not context.objective.is_score:
            objective = objective_evidence(context, winner, splits)
        scores = context.table.scores(Split.VAL, context.objective)
        return Outcome(
            winner=winner.id,
            reason=reason,
            **evidence,
            importance=tuple(self._optimizer.importance(context, scores)),
            corrected=corrected(
                context.table, winner, context.baseline, context.config.seed, trials=context.journal.trials()
            ),
            objective=objective,
            steps=tuple(self._steps(splits)),
        )

    def _steps(self, splits: Sequence[Split]) -> Iterator[Json]:
        context = self._context
        for name, candidate in self._optimizer.reached(context):
            found = evidence_for(context.table, candidate, context.baseline, splits)
            told = {
                "val": found.get("best_val"),
                "test": found.get("best_test"),
                "paired_test": found.get("paired_test"),
            }
            yield {"strategy": name, "candidate": candidate.id, **told}


def _without_test(ending: Ending, stopped: StudioError) -> StopRequested:
    """A person wanted the end, which what becomes of the sealed test does not undo."""
    if isinstance(stopped, StopRequested):
        return stopped
    return StopRequested(f"{ending.reason} Then the sealed test: {stopped.message}", "Resume the run to score it.")


def _ending(reason: StudioError) -> Ending:
    match reason:
        case StopRequested():
            return Ending(Status.STOPPED, str(reason))
        case RunPaused():
            return Ending(Status.PAUSED, str(reason), given_up=isinstance(reason, TooManyErrors))
        case ReviewWanted():
            return Ending(Status.AWAITING_REVIEW, str(reason))
        case BudgetReached():
            return Ending(Status.COMPLETED, str(reason), capped=True)
        case _:
            return Ending(Status.FAILED, str(reason))
