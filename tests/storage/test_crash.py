"""Other processes: killed in the middle, writing side by side, opening the same empty file."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType

import pytest

from mipro_studio.optimizer_core.types import Event, Record, Status
from mipro_studio.storage import Reader, SqliteJournal, Store
from tests.storage.samples import SAMPLES, WORKER, cell, queued, running

PROCESSES = multiprocessing.get_context("spawn")


@pytest.fixture(autouse=True)
def _no_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """A spawned process runs what `__main__` names; Streamlit's AppTest may have left a page there."""
    monkeypatch.setitem(sys.modules, "__main__", ModuleType("__main__"))


class Deadly(Sequence[Record]):
    """Records of which reading the one after `lives` ends the process, as a kill -9 would."""

    def __init__(self, records: Sequence[Record], lives: int) -> None:
        self._records, self._lives = records, lives

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, i: int) -> Record:  # type: ignore[override]
        return self._records[i]

    def __iter__(self) -> Iterator[Record]:
        yield from self._records[: self._lives]
        os._exit(9)


def die_in_commits(path: Path, run_id: str) -> None:
    # Forks of a process that has imported everything: a dozen fresh interpreters would take a minute.
    for lives in range(len(SAMPLES) + 1):
        pid = os.fork()
        if pid == 0:
            with Store(path) as store:
                SqliteJournal(store, run_id, WORKER).commit(Deadly(SAMPLES, lives))
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9


def test_a_process_that_dies_at_any_record_of_a_commit_leaves_nothing_of_it(store: Store) -> None:
    run_id = running(store)
    journal = SqliteJournal(store, run_id, WORKER)
    journal.commit([cell("before")])
    with Reader(store.path) as reader:
        before = reader.run(run_id)
    child = PROCESSES.Process(target=die_in_commits, args=(store.path, run_id))
    child.start()
    child.join(200)
    assert child.exitcode == 0
    with Reader(store.path) as reader:
        assert replace(reader.run(run_id), wall_s=before.wall_s) == before
        assert reader.instructions(run_id) == []
    assert list(journal.cells()) == [cell("before")]
    journal.commit(SAMPLES)  # the lock died with its holder
    assert len(list(journal.cells())) == 5


def commit_for_ever(path: Path, run_id: str, told: Connection) -> None:
    with Store(path) as store:
        journal = SqliteJournal(store, run_id, WORKER)
        for n in range(1_000_000):
            journal.commit([cell(f"a{n}"), Event("pair", {"n": n}), cell(f"b{n}", None)])
            told.send(n)


def test_what_commit_returned_for_survives_kill_9_and_batches_stay_whole(store: Store) -> None:
    run_id = running(store)
    told, tell = PROCESSES.Pipe(duplex=False)
    child = PROCESSES.Process(target=commit_for_ever, args=(store.path, run_id, tell))
    child.start()
    tell.close()  # so that a child that dies ends the wait
    acknowledged = -1
    while acknowledged < 200:
        acknowledged = told.recv()
    assert child.pid is not None
    os.kill(child.pid, signal.SIGKILL)
    child.join(200)
    with suppress(EOFError):
        while True:
            acknowledged = told.recv()
    with Reader(store.path) as reader:
        names = [row.key.example for row in reader.cells(run_id)]
        n = len(names) // 2
        assert n >= acknowledged + 1
        assert names == [f"{half}{i}" for i in range(n) for half in "ab"]
        assert (reader.run(run_id).cells_ok, reader.run(run_id).cells_error) == (n, n)
        assert [event.data["n"] for _, _, event in reader.events(run_id, limit=10**6)[1:]] == list(range(n))


def append_events(path: Path, run_id: str, name: str, n: int, go: Connection) -> None:
    from mipro_studio.storage.codec import iso
    from mipro_studio.storage.writing import write_event

    with Store(path) as store:
        go.recv()
        for i in range(n):
            with store.atomic() as db:
                write_event(db, run_id, Event(name, {"i": i}), iso(store.now()))


def test_a_cursor_skips_nothing_while_two_processes_write(store: Store) -> None:
    run_id, n = running(store), 400
    pipes = [PROCESSES.Pipe() for _ in range(2)]
    children = [
        PROCESSES.Process(target=append_events, args=(store.path, run_id, f"writer-{i}", n, pipes[i][1]))
        for i in range(2)
    ]
    for child, pipe in zip(children, pipes, strict=True):
        child.start()
        pipe[1].close()
    for pipe in pipes:
        pipe[0].send("go")
    seen: list[tuple[str, int]] = []
    cursor = 1  # the event of the claim
    with Reader(store.path) as reader:
        while len(seen) < 2 * n:
            alive = any(child.is_alive() for child in children)
            news = reader.events(run_id, cursor, limit=7)
            seen += [(event.kind, event.data["i"]) for _, _, event in news]
            cursor = news[-1][0] if news else cursor
            assert news or alive or len(seen) == 2 * n
        assert reader.run(run_id).last_event_id == cursor
    for child in children:
        child.join(200)
    for name in ("writer-0", "writer-1"):
        assert [i for kind, i in seen if kind == name] == list(range(n))


def open_and_claim(path: Path, ready: Connection) -> None:
    ready.send("ready")
    ready.recv()
    with Store(path) as store:
        run_id = queued(store, f"by {os.getpid()}")
        ready.send(run_id)
        target = ready.recv()
        ready.send(store.claim(target, f"worker-{os.getpid()}", 30))


def test_processes_that_open_the_same_missing_file_share_it_and_one_claims(path: Path) -> None:
    pipes = [PROCESSES.Pipe() for _ in range(3)]
    children = [PROCESSES.Process(target=open_and_claim, args=(path, pipe[1])) for pipe in pipes]
    for child, pipe in zip(children, pipes, strict=True):
        child.start()
        pipe[1].close()  # so that a child that dies ends the wait
    ends = [pipe[0] for pipe in pipes]
    for end in ends:
        assert end.recv() == "ready"
    for end in ends:
        end.send("go")
    ids = [end.recv() for end in ends]
    for end in ends:
        end.send(ids[0])
    assert sorted(end.recv() for end in ends) == [False, False, True]
    with Reader(path) as reader:
        assert {run.id for run in reader.list_runs()} == set(ids)
        assert reader.run(ids[0]).status is Status.RUNNING
    for child in children:
        child.join(200)
        assert child.exitcode == 0


def test_readers_see_nothing_of_an_open_transaction(store: Store) -> None:
    run_id = running(store)
    with Reader(store.path) as reader:
        with store.atomic():
            SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
            assert reader.run(run_id).cells_ok == 0
            assert reader.cells(run_id) == []
            assert len(reader.events(run_id)) == 1
        assert reader.run(run_id).cells_ok == 3


def test_an_outer_transaction_that_fails_takes_the_inner_along(store: Store) -> None:
    run_id = running(store)
    with pytest.raises(ZeroDivisionError), store.atomic():
        SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
        _ = 1 // 0
    with Reader(store.path) as reader:
        assert reader.run(run_id).cells_ok == 0
