import asyncio
import sqlite3
from collections.abc import Sequence

import pytest

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.errors import LeaseLost, RunPaused, StudioError
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.optimizer_core.types import Event, Record, Role, Spent
from tests.optimizer_core.builders import scored


class Watched(MemoryJournal):
    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[Record]] = []
        self.broken: Exception | None = None

    def commit(self, records: Sequence[Record]) -> None:
        if self.broken is not None:
            raise self.broken
        self.batches.append(list(records))
        super().commit(records)


def test_what_comes_in_during_one_turn_of_the_loop_is_one_commit() -> None:
    journal = Watched()

    async def main() -> None:
        recorder = Recorder(journal, Meter(Budget()))
        await asyncio.gather(*(recorder.write(scored("a", str(n), 1.0)) for n in range(20)))
        assert len(journal.batches) == 1
        assert len(list(journal.cells())) == 20
        await recorder.write(scored("a", "later", 1.0))
        assert len(journal.batches) == 2

    asyncio.run(main())


def test_a_write_returns_after_its_commit() -> None:
    journal = Watched()

    async def main() -> None:
        recorder = Recorder(journal, Meter(Budget()))
        waiting = recorder.add(scored("a", "1", 1.0))
        assert not waiting.done() and journal.batches == []
        await waiting
        assert len(journal.batches) == 1

    asyncio.run(main())


def test_what_was_burnt_is_committed_with_the_records_it_paid_for() -> None:
    journal, meter = Watched(), Meter(Budget())

    async def main() -> None:
        recorder = Recorder(journal, meter)
        meter.admit(Role.TASK)
        await recorder.write(scored("a", "1", 1.0))
        await recorder.write(Event("note"))

    asyncio.run(main())
    assert [spent.usage.calls for spent in journal.batches[0] if isinstance(spent, Spent)] == [1]
    assert not [record for record in journal.batches[1] if isinstance(record, Spent)]


def test_a_failure_reaches_everyone_who_waits_and_nothing_is_written_after_it() -> None:
    journal = Watched()

    async def main() -> None:
        recorder = Recorder(journal, Meter(Budget()))
        journal.broken = LeaseLost("another worker")
        writes = [recorder.write(scored("a", str(n), 1.0)) for n in range(3)]
        results = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(result) for result in results] == [LeaseLost] * 3
        journal.broken = None
        with pytest.raises(LeaseLost):
            await recorder.write(Event("after"))

    asyncio.run(main())
    assert list(journal.cells()) == []
    assert journal.events == []


@pytest.mark.parametrize(
    ("raised", "said"),
    [
        (StudioError("The store is locked.", "Try again."), "The store is locked. Try again."),
        (OSError(28, "No space left on device"), "The run's record cannot be written: No space left on device. Mend"),
        (sqlite3.OperationalError("disk I/O error"), "The run's record cannot be written: disk I/O error. Mend"),
    ],
)
def test_a_journal_that_fails_pauses_the_run_with_a_sentence(raised: Exception, said: str) -> None:
    journal = Watched()
    journal.broken = raised

    async def main() -> None:
        with pytest.raises(RunPaused) as pause:
            await Recorder(journal, Meter(Budget())).write(Event("heard"))
        assert str(pause.value).startswith(said)

    asyncio.run(main())


def test_keys_are_blacked_out_before_the_commit() -> None:
    journal = Watched()

    async def main() -> None:
        recorder = Recorder(journal, Meter(Budget()), Scrubber(["K"], {"K": "sk-canary-1234"}))
        await recorder.write(Event("note", {"text": "using sk-canary-1234"}))

    asyncio.run(main())
    assert "canary" not in repr(journal.events)


def test_a_failure_nobody_waits_for_is_not_lost_silently_for_those_who_do() -> None:
    journal = Watched()

    async def main() -> None:
        recorder = Recorder(journal, Meter(Budget()))
        journal.broken = LeaseLost("another worker")
        recorder.add(Event("unheard"))
        with pytest.raises(LeaseLost):
            await recorder.write(Event("heard"))

    asyncio.run(main())
