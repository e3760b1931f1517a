"""What a search comes to so far, written down for people who watch: beside the search, which never waits for it."""

import asyncio
from collections.abc import Sequence

from mipro_studio.optimizer_core.analysis.estimates import beliefs
from mipro_studio.optimizer_core.analysis.headroom import verdict
from mipro_studio.optimizer_core.errors import BudgetReached
from mipro_studio.optimizer_core.optimizers.base import Optimizer
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.search.surrogates.base import by_candidate
from mipro_studio.optimizer_core.types import Event, EventKind

__all__ = ["Reporter"]

NOT_FITTED = (
    "The model of the scores could not be fitted to the cells so far, so the search goes by shrunken means "
    "until it can."
)


class Reporter:
    """Writes beliefs and importance as events, one report after the other.

    Args:
        told: Number of the last trial that earlier lives of the run had; what they said is not said again.
    """

    def __init__(self, context: RunContext, optimizer: Optimizer, told: int) -> None:
        self._context = context
        self._optimizer = optimizer
        self._told = told
        self._writing: asyncio.Task[None] | None = None

    async def begin(self, observed: Sequence[Observation], number: int) -> None:
        """Report on the trials before `number`, once the report before is written."""
        await self.written()
        self._writing = asyncio.create_task(self.report(observed, number))
        self._writing.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen if never awaited

    async def headroom(self, observed: Sequence[Observation], number: int) -> None:
        """Say after trial `number` whether there is anything to gain.

        Raises:
            BudgetReached: a person wants the run to end where that is unlikely.
        """
        rows = [one.scores for one in by_candidate(observed).values()]
        found = await asyncio.to_thread(verdict, rows)
        if found is None:
            return
        chance, words = found
        if number >= self._told:
            await self._context.recorder.write(Event(EventKind.NOTE, {"text": words}))
        if chance < self._context.config.search.least_headroom:
            raise BudgetReached(f"{words} The run was to end below {self._context.config.search.least_headroom:.0%}.")

    async def written(self) -> None:
        """Wait for the report that is being written, if any, so that no error of one is lost."""
        if self._writing is not None:
            await self._writing

    async def report(self, observed: Sequence[Observation], number: int) -> None:
        context = self._context
        if not observed or number < self._told:
            return
        if context.space.parameters:
            surrogate, seed = context.config.search.surrogate, context.config.seed
            believed = await asyncio.to_thread(beliefs, context.space, observed, surrogate, seed)
            await context.recorder.write(Event(EventKind.BELIEFS, {"trial": number, **believed}))
            if not believed["converged"]:
                await context.recorder.write(Event(EventKind.WARNING, {"text": NOT_FITTED}))
        scores = {one.candidate.id: one.scores for one in by_candidate(observed).values() if one.scores}
        rows = await asyncio.to_thread(self._optimizer.importance, context, scores)
        if rows:
            short = [{key: value for key, value in row.items() if key != "arms"} for row in rows]
            await context.recorder.write(Event(EventKind.IMPORTANCE, {"trial": number, "rows": short}))
