"""Writes what happened before anything is done with it, one transaction for all that came in together."""

import asyncio

from mipro_studio.optimizer_core.errors import LeaseLost, RunPaused, StudioError
from mipro_studio.optimizer_core.evaluation.journal import Journal
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.optimizer_core.types import Record

__all__ = ["Recorder"]

RESUME = "Mend that, then resume the run: nothing that was recorded is lost."


class Recorder:
    """Batches the records of one turn of the event loop into one commit, with the totals that were spent.

    A killed run loses only what no model had answered yet: a result is acted upon after its commit. After a commit
    that failed nothing more is written, so that a record is always that of a life up to some moment.

    Attributes:
        failure: Why nothing more is written; None = all is well.
    """

    def __init__(self, journal: Journal, meter: Meter, scrubber: Scrubber | None = None) -> None:
        self._journal = journal
        self._meter = meter
        self._scrubber = scrubber or Scrubber()
        self._batch: list[Record] = []
        self.failure: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None

    async def write(self, *records: Record) -> None:
        """Commit `records`; returns when they are durable.

        Raises:
            LeaseLost: another worker owns the run.
            RunPaused: the journal failed (a lock, a full disk): none of `records` is written.
        """
        await self.add(*records)

    def add(self, *records: Record) -> asyncio.Future[None]:
        """Put `records` into the next commit without waiting for it. Errors reach whoever awaits that commit."""
        self._batch.extend(self._scrubber.record(record) for record in records)
        if self._waiting is None:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            loop.call_soon(self._flush)
        return self._waiting

    def _flush(self) -> None:
        batch, waiting = self._batch, self._waiting
        self._batch, self._waiting = [], None
        assert waiting is not None
        try:
            if self.failure is None:
                self._journal.commit([*batch, *self._meter.changed()])
        except Exception as error:  # noqa: BLE001 - handed to everyone who waits for this commit or a later one
            self.failure = _pause(error)
        if waiting.done():  # whoever waited for it was cancelled
            return
        if self.failure is None:
            waiting.set_result(None)
        else:
            waiting.set_exception(self.failure)
            waiting.exception()  # seen, even when nobody awaits it


def _pause(error: Exception) -> Exception:
    """A journal that fails stops the run where it is; what cannot be JSON is a programming error and stays one."""
    match error:
        case LeaseLost() | TypeError():
            return error
        case StudioError():
            return RunPaused(error.message, error.hint)
        case _:
            what = getattr(error, "strerror", None) or str(error) or type(error).__name__
            return RunPaused(f"The run's record cannot be written: {what}.", RESUME)
