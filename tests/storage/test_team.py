"""A team's store: how it is named, and what a database that others use too adds to the contract of `test_journal`."""

import os
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.optimizer_core.errors import BadInput, LeaseLost, StudioError
from mipro_studio.optimizer_core.types import Event, EventKind, Status
from mipro_studio.storage import (
    Reader,
    SqliteJournal,
    Store,
    StoreUnavailable,
    check_store,
    default_store,
    pack,
    postgres,
    store_at,
    unpack,
)
from mipro_studio.storage.connection import open_writer
from mipro_studio.storage.team import team_file
from tests.postgres import PASSWORD
from tests.storage.conftest import new_schema
from tests.storage.samples import LEASE_S, SAMPLES, WORKER, cell, queued, running

WORKERS, RUNS = 5, 20


@pytest.fixture
def path(team_server: str, tmp_path: Path) -> Path:
    return team_file(new_schema(team_server), tmp_path)


def everything_below(folder: Path) -> str:
    return "".join(file.read_text(errors="replace") for file in folder.rglob("*") if file.is_file())


# Names


@pytest.mark.parametrize(
    "given", ["postgresql://me@host:5433/db", "postgres://me@host:5433/db", "postgresql:/me@host:5433/db"]
)
def test_a_url_is_a_small_file_in_the_working_folder(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = store_at(given)
    assert path.read_text() == "postgresql://me@host:5433/db\n"
    assert path == store_at(given) and path.parent.parent == Path(".mipro-studio")
    assert path != store_at("postgresql://me@other/db")
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "given", ["postgresql://me:pass%40word@host/db", "postgresql://host/db?password=pass%40word"]
)
def test_a_password_on_the_command_line_is_refused_and_one_in_the_environment_is_put_away(
    given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PGPASSWORD", "another")
    with pytest.raises(BadInput, match="PGPASSWORD") as refused:
        store_at(given)
    assert "pass" not in str(refused.value).replace("password", "").replace("PGPASSWORD", "").replace("pgpass", "")
    monkeypatch.setenv("MIPRO_STUDIO_STORE", given)
    path = default_store()
    assert os.environ["PGPASSWORD"] == "pass@word"
    assert "pass" not in os.environ["MIPRO_STUDIO_STORE"] and "pass%40" not in everything_below(tmp_path)
    assert path == default_store()


def test_what_is_no_url_of_a_database_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match="names no database"):
        store_at("postgresql://host")
    (tmp_path / "x.team").write_text("hello")
    with pytest.raises(StudioError, match="holds no URL"):
        Reader(tmp_path / "x.team")
    assert store_at("~/x.db") == Path("~/x.db").expanduser()


# Opening


def test_a_store_that_nobody_wrote_to_and_one_of_a_newer_studio_are_sentences(path: Path) -> None:
    with pytest.raises(StudioError, match="has no tables of this studio"):
        Reader(path)
    with Store(path) as store:
        store.db.execute("insert into studio_migrations (name) values ('999_tomorrow')")
    for opens in (Store, Reader):
        with pytest.raises(StudioError, match="newer studio"):
            opens(path)


def test_a_server_that_is_not_there_and_one_that_lets_nobody_in_are_sentences_without_the_password(
    path: Path, team_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = team_file("postgresql://studio@127.0.0.1:9/db", tmp_path)
    with pytest.raises(StoreUnavailable, match="cannot be reached") as unreached:
        Store(away)
    monkeypatch.setenv("PGPASSWORD", "wrong")
    with pytest.raises(StoreUnavailable, match="cannot be reached") as refused:
        Store(path)
    assert PASSWORD not in f"{unreached.value}{refused.value}" and "wrong" not in str(refused.value)


def test_of_many_that_open_a_new_store_at_once_one_makes_its_tables(path: Path) -> None:
    at_once(8, lambda _: Store(path).close())
    with Reader(path) as reader:
        assert reader.list_runs() == []


def test_who_may_only_read_is_told_so(path: Path, team_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store(path) as store:
        run_id = queued(store)
        schema = store.db.execute("select current_schema()").fetchone()[0]
        store.db.execute(f"create role looks_{schema} login password 'short'")
        store.db.execute(f"grant usage on schema {schema} to looks_{schema}")
        store.db.execute(f"grant select on all tables in schema {schema} to looks_{schema}")
    monkeypatch.setenv("PGPASSWORD", "short")
    looking = team_file(path.read_text().strip().replace("studio@", f"looks_{schema}@"), path.parent)
    with Reader(looking) as reader:
        assert [run.id for run in reader.list_runs()] == [run_id]
    with Store(looking) as store, pytest.raises(StoreUnavailable, match="cannot be written"):
        store.move(run_id, Status.STOPPED)


# Many at once


def at_once(many: int, act: Callable[[int], Any]) -> None:
    failures: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            act(number)
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(many)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_five_workers_share_a_store_and_none_takes_or_counts_what_is_anothers(path: Path) -> None:
    with Store(path) as store:
        runs = [queued(store) for _ in range(RUNS)]
    claimed: dict[str, list[int]] = {run: [] for run in runs}
    seen: list[int] = []

    def work(number: int) -> None:
        with Store(path) as own, Reader(path) as reader:
            for run in runs:
                if not own.claim(run, f"worker-{number}", LEASE_S):
                    continue
                claimed[run].append(number)
                journal = SqliteJournal(own, run, f"worker-{number}")
                for turn in range(5):
                    journal.commit([cell(f"e{turn}"), Event(EventKind.NOTE, {"text": f"{turn}"})])
                    seen.append(reader.run(run).last_event_id)
                own.release(run, f"worker-{number}", Status.COMPLETED)

    at_once(WORKERS, work)
    assert all(len(workers) == 1 for workers in claimed.values())
    with Reader(path) as reader:
        for run in runs:
            summary = reader.run(run)
            assert (summary.status, summary.cells_ok) == (Status.COMPLETED, 5)
            cursors = [cursor for cursor, _, _ in reader.events(run)]
            assert cursors == sorted(set(cursors)) and summary.last_event_id == cursors[-1]
    assert len(seen) == len(set(seen)) == 5 * RUNS
    assert check_store(path) == []


def test_a_worker_that_was_replaced_writes_nothing(path: Path) -> None:
    with Store(path) as store, Store(path) as other:
        run = running(store)
        store.release(run, WORKER, Status.PAUSED)
        store.move(run, Status.QUEUED)
        assert other.claim(run, "worker-2", LEASE_S)
        with pytest.raises(LeaseLost, match="Another worker"):
            SqliteJournal(store, run, WORKER).commit([cell("late")])
        with Reader(path) as reader:
            assert reader.run(run).cells_ok == 0


class Once:
    """Patience that waits for nothing, and counts."""

    def __init__(self) -> None:
        self.waited: list[str] = []

    def wait(self, error: StoreUnavailable) -> None:
        self.waited.append(str(error))

    def over(self) -> None:
        pass


def test_a_server_that_ends_a_connection_costs_nothing(path: Path, team_server: str) -> None:
    """As its restart does. What was not committed is tried again over a new connection."""
    patience = Once()
    with Store(path, patience=patience) as store, Reader(path) as reader:
        run = running(store)
        journal = SqliteJournal(store, run, WORKER)
        journal.commit(SAMPLES)
        with closing(open_writer(path)) as third:
            third.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() "
                "and application_name = 'mipro-studio'"
            )
        journal.commit([cell("after")])
        assert len(patience.waited) == 1 and "cannot be reached" in patience.waited[0]
        with pytest.raises(StoreUnavailable):
            reader.list_runs()
        assert reader.run(run).cells_ok == sum(one.score is not None for one in SAMPLES if hasattr(one, "score")) + 1


def test_whoever_stands_still_in_the_middle_of_writing_keeps_nobody_waiting(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "STANDING_S", 1)
    with Store(path) as standing, Store(path, busy_s=120) as other, Reader(path) as reader:
        standing.db.execute("begin immediate")
        with reader.snapshot():
            assert reader.list_runs() == []
            run_id = queued(other)  # waits until the server has ended what stands still
            assert reader.list_runs() == [], "who only reads is let be"
        assert [run.id for run in reader.list_runs()] == [run_id]
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            standing.db.execute("commit")


# From here to there


def test_a_run_goes_from_a_file_to_a_team_and_back_and_is_the_same(path: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "own.db") as store:
        run = running(store)
        SqliteJournal(store, run, WORKER).commit(SAMPLES)
        store.release(run, WORKER, Status.COMPLETED)
    first, second = tmp_path / "first.mipro", tmp_path / "second.mipro"
    pack(tmp_path / "own.db", run, first, lambda value: value)
    assert unpack(first, path, "a file", lambda *_: None) == run
    pack(path, run, second, lambda value: value)
    with Reader(tmp_path / "own.db") as own, Reader(path) as team, Reader(second) as packed:
        for read in ("examples", "arms", "prompt_calls", "outcome", "trials_with_examples", "spent", "tunings"):
            assert getattr(team, read)(run) == getattr(own, read)(run) == getattr(packed, read)(run), read
        keys = [found.key for found in own.cells(run)]
        assert [team.cell(run, key) for key in keys] == [own.cell(run, key) for key in keys]
    assert check_store(path) == []
