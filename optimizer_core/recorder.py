"""Writes what happened before anything is done with it, one transaction for all that came in together."""

import asyncio

from mipro_studio.optimizer_core.journal import Journal
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.optimizer_core.types import Record

__all__ = ["Recorder"]


class Recorder:
    """Batches the records of one turn of the event loop into one commit, with the totals that were burnt.

    A killed run loses only what no model had answered yet: a result is acted upon after its commit.
    """

    def __init__(self, journal: Journal, meter: Meter, scrubber: Scrubber | None = None) -> None:
        self._journal = journal
        self._meter = meter
        self._scrubber = scrubber or Scrubber()
        self._batch: list[Record] = []
        self._waiting: asyncio.Future[None] | None = None

    async def write(self, *records: Record) -> None:
        """Commit `records`; returns when they are durable.

        Raises:
            LeaseLost: another worker owns the run.
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
            self._journal.commit([*batch, *self._meter.changed()])
        except Exception as error:  # noqa: BLE001 - handed to everyone who waits for this commit
            waiting.set_exception(error)
            waiting.add_done_callback(lambda done: done.exception())  # seen, even when nobody awaits it
        else:
            waiting.set_result(None)
