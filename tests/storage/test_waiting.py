"""A store that cannot be written for a while: with patience nothing is lost, and it is said what is waited for."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.errors import LeaseLost, StudioError
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import PulseFile, Reader, SqliteJournal, Store, StoreUnavailable
from mipro_studio.storage.clock import moment_of
from mipro_studio.storage.paths import pulse_path
from tests.storage.samples import LEASE_S, SAMPLES, WORKER, HandClock, cell, running

SAYS = "The disk is full. The run waits."


class Counting:
    """Patience that tries again at once, so many times."""

    def __init__(self, times: int = 10_000) -> None:
        self.times = times
        self.errors: list[str] = []
        self.ended = 0

    def wait(self, error: StoreUnavailable) -> None:
        self.errors.append(error.message)
        if len(self.errors) > self.times:
            raise error
        time.sleep(0.01)

    def over(self) -> None:
        self.ended += 1


@pytest.fixture
def patience() -> Counting:
    return Counting()


@pytest.fixture
def store(path: Path, clock: HandClock, patience: Counting) -> Iterator[Store]:
    with Store(path, clock, patience=patience, busy_s=0.02) as opened:
        yield opened


def locked(path: Path, seconds: float) -> threading.Thread:
    """Another program holds the write lock for so long; returns once it has it."""
    has, conn = threading.Event(), sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def hold() -> None:
        conn.execute("begin immediate")
        has.set()
        time.sleep(seconds)
        conn.execute("rollback")
        conn.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert has.wait(150)
    return thread


def test_a_commit_waits_for_a_lock_and_is_written_once(store: Store, patience: Counting) -> None:
    run_id = running(store)
    holder = locked(store.path, 0.4)
    SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
    holder.join()
    assert patience.errors and "is locked by another process" in patience.errors[0]
    with Reader(store.path) as reader:
        assert (reader.run(run_id).cells_ok, len(reader.trials(run_id))) == (3, 2)


def test_a_commit_waits_for_room_and_is_written_once(store: Store, patience: Counting) -> None:
    run_id = running(store)
    big = [cell(f"e{n}") for n in range(2000)]
    store.db.execute(f"pragma max_page_count = {store.db.execute('pragma page_count').fetchone()[0] + 2}")

    class Room(Counting):
        def wait(self, error: StoreUnavailable) -> None:
            super().wait(error)
            if len(self.errors) == 3:
                store.db.execute("pragma max_page_count = 1000000")

    store._patience = room = Room()
    SqliteJournal(store, run_id, WORKER).commit(big)
    assert len(room.errors) == 3 and "the disk is full" in room.errors[0]
    assert len(list(SqliteJournal(store, run_id, WORKER).cells())) == 2000


def test_the_end_of_a_life_waits_too(store: Store, patience: Counting) -> None:
    run_id = running(store)
    holder = locked(store.path, 0.3)
    store.release(run_id, WORKER, Status.COMPLETED, "done")
    holder.join()
    assert patience.errors
    with Reader(store.path) as reader:
        assert reader.run(run_id).status is Status.COMPLETED


def test_patience_that_ends_gives_the_error_and_leaves_nothing(store: Store) -> None:
    run_id = running(store)
    store._patience = Counting(3)
    holder = locked(store.path, 1.0)
    with pytest.raises(StoreUnavailable, match="is locked"):
        SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
    holder.join()
    assert list(SqliteJournal(store, run_id, WORKER).cells()) == []


def test_whoever_lost_the_run_while_it_waited_learns_it(store: Store, clock: HandClock) -> None:
    run_id = running(store)
    with Store(store.path, clock) as other:
        clock.turn(LEASE_S + 1)
        other.move(run_id, Status.QUEUED)
    holder = locked(store.path, 0.2)
    with pytest.raises(LeaseLost):
        SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
    holder.join()


def test_people_and_pages_do_not_wait(path: Path) -> None:
    with Store(path, busy_s=0.02) as store:
        run_id = running(store)
        holder = locked(path, 0.5)
        with pytest.raises(StudioError, match="is locked by another process"):
            store.send(run_id, "stop")
        holder.join()


def test_a_worker_that_says_what_it_waits_for_is_alive_though_its_lease_is_over(
    store: Store, clock: HandClock
) -> None:
    run_id = running(store)
    pulse = PulseFile(store.path, run_id)
    clock.turn(LEASE_S + 1)
    with Reader(store.path, clock) as reader:
        assert reader.run(run_id).status is Status.LOST
        pulse.beat(WORKER, moment_of(clock), SAYS)
        assert (reader.run(run_id).status, reader.run(run_id).reason) == (Status.RUNNING, SAYS)
        assert store.sweep() == []
        clock.turn(5)
        assert reader.run(run_id).status is Status.RUNNING
        clock.turn(2)
        assert reader.run(run_id).status is Status.LOST, "it has not said so for a while"
        pulse.beat("somebody else", moment_of(clock), SAYS)
        assert store.sweep() == [run_id]


def test_a_worker_that_waits_no_more_says_nothing(store: Store, clock: HandClock) -> None:
    run_id = running(store)
    pulse = PulseFile(store.path, run_id)
    file = pulse_path(store.path, run_id)
    assert (file.stat().st_size, file.stat().st_mode & 0o777) == (1024, 0o600)
    with Reader(store.path, clock) as reader:
        pulse.beat(WORKER, moment_of(clock), SAYS * 100)
        assert reader.run(run_id).reason.startswith(SAYS)
        pulse.beat(WORKER, moment_of(clock), "")
        assert reader.run(run_id).reason == ""
    pulse.close()
    assert not file.exists()


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff" * 1024, b'{"worker_id": 1}', b"9" * 5000])
def test_a_file_that_says_nothing_sensible_says_nothing(store: Store, clock: HandClock, content: bytes) -> None:
    run_id = running(store)
    PulseFile(store.path, run_id)
    pulse_path(store.path, run_id).write_bytes(content)
    with Reader(store.path, clock) as reader:
        assert (reader.run(run_id).status, reader.run(run_id).reason) == (Status.RUNNING, "")
