import shutil
import sqlite3
import zlib
from datetime import timedelta
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.types import Arm, Cell, Status, Trial
from mipro_studio.storage import Reader, SqliteJournal, Store
from mipro_studio.storage.connection import open_writer
from mipro_studio.storage.migrations import MIGRATION_NAMES
from mipro_studio.storage.replay.packing import unpack
from tests.storage.samples import OUTCOME, SAMPLES, HandClock, make_v1_database, queued

FIXTURES = Path(__file__).parent / "fixtures"


def schema(path: Path) -> set[tuple[str, str]]:
    conn = sqlite3.connect(path)
    try:
        return set(conn.execute("select name, sql from sqlite_master where sql is not null"))
    finally:
        conn.close()


def test_a_missing_file_is_made_with_its_folder_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new folder?#%" / "studio.db"
    with Store(path) as store:
        queued(store)
        modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    assert modes == {"studio.db": 0o600, "studio.db-wal": 0o600, "studio.db-shm": 0o600}
    with Reader(path) as reader:
        assert len(reader.list_runs()) == 1


def test_a_store_that_a_link_leads_to_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    real, link = tmp_path / "real.db", tmp_path / "link.db"
    link.symlink_to(real)
    with Store(link) as store:
        queued(store)
        assert {file.stat().st_mode & 0o777 for file in tmp_path.glob("real.db*")} == {0o600}
    with Reader(real) as reader:
        assert len(reader.list_runs()) == 1


@pytest.mark.parametrize("size", [1, 100, 511, 600])
def test_a_short_text_is_no_store_and_stays_as_it_was(tmp_path: Path, size: int) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"x" * size)
    with pytest.raises(StudioError, match="is not a studio database"):
        Store(path)
    assert path.read_bytes() == b"x" * size


def test_opening_again_changes_nothing(path: Path) -> None:
    Store(path).close()
    before, content = schema(path), path.read_bytes()
    Store(path).close()
    assert (schema(path), path.read_bytes()) == (before, content)


def test_a_migration_that_fails_leaves_nothing_and_is_tried_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        broken = "create table events (id integer); create table events (x)"
        patch.setattr("mipro_studio.storage.migrations._STREAMS", broken)
        with pytest.raises(StudioError, match="is damaged"):
            open_writer(path)
    assert schema(path) == set()
    Store(path).close()
    assert len(schema(path)) > 10


def test_the_pragmas_are_set(path: Path) -> None:
    with Store(path) as store:
        values = {
            name: store.db.execute(f"pragma {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert values == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 10_000}


def test_a_store_of_a_newer_studio_is_refused(path: Path) -> None:
    with Store(path) as store:
        store.db["_sqlite_migrations"].insert(
            {"migration_set": "mipro_studio", "name": "999_future", "applied_at": "2030-01-01"}
        )
    for opens in (Store, Reader):
        with pytest.raises(StudioError, match="made by a newer studio"):
            opens(path)


def test_a_reader_does_not_migrate(path: Path) -> None:
    with Store(path) as store:
        store.db["_sqlite_migrations"].delete_where()
    with pytest.raises(StudioError, match="made by an older studio"):
        Reader(path)


@pytest.mark.parametrize("opens", [Store, Reader])
def test_a_file_that_is_no_database_is_refused_and_kept(path: Path, opens: type[Store] | type[Reader]) -> None:
    path.write_text("my notes, " * 1000)
    with pytest.raises(StudioError, match="is not a studio database"):
        opens(path)
    assert path.read_text().startswith("my notes")


def test_an_empty_file_is_said_to_be_one_and_a_writer_makes_a_store_of_it(path: Path) -> None:
    path.touch()
    with pytest.raises(StudioError, match=r"is empty \(0 bytes\)"):
        Reader(path)
    with Store(path), Reader(path) as reader:
        assert reader.list_runs() == []


def test_a_missing_store_is_not_made_by_a_reader(path: Path) -> None:
    with pytest.raises(StudioError, match="There is no store at"):
        Reader(path)
    assert not path.exists()


def test_a_folder_in_the_place_of_the_file_is_a_sentence(tmp_path: Path) -> None:
    for opens in (Store, Reader):
        with pytest.raises(StudioError):
            opens(tmp_path)


def test_a_locked_store_is_a_sentence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(path).close()
    monkeypatch.setattr("mipro_studio.storage.connection.BUSY_S", 0.05)
    locked = pytest.raises(StudioError, match="is locked by another process")
    with Store(path) as one, Store(path) as other, one.atomic(), locked:
        queued(other)


def test_a_full_disk_is_a_sentence_and_leaves_the_store_whole(path: Path) -> None:
    with Store(path) as store:
        store.db.execute("pragma max_page_count = 60")
        with pytest.raises(StudioError, match="the disk is full"):
            queued(store, receipt={"big": [str(i) for i in range(300_000)]})
        assert queued(store)


# Old databases. A name in the list is a file that `samples.make_v1_database` made when that schema shipped.


def test_today_writes_what_the_fixture_holds(path: Path) -> None:
    make_v1_database(path)
    kept = schema(FIXTURES / "v1.db") if len(MIGRATION_NAMES) == 1 else schema(path)
    assert schema(path) == kept


def test_a_worker_of_an_older_studio_is_judged_by_the_watch_until_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "v3.db"
    shutil.copy(FIXTURES / "v3.db", path)
    clock = HandClock()
    with Store(path, clock) as store, Reader(path, clock) as reader:
        (run,) = reader.list_runs()
        lease = (clock.moment + timedelta(seconds=30)).isoformat(timespec="microseconds")
        store.db.execute("update runs set status = 'running', worker_id = 'w', lease_ends_at = ?", [lease])
        assert reader.run(run.id).status is Status.RUNNING
        clock.turn(31)
        assert reader.run(run.id).status is Status.LOST
        assert store.sweep() == [run.id]


@pytest.mark.parametrize("name", ["v1.db", "v3.db", "v8.db", "v12.db"])
def test_an_old_database_opens_and_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    shutil.copy(FIXTURES / name, path)
    with Store(path) as store, Reader(path) as reader:
        (run,) = reader.list_runs()
        assert (run.name, run.status, run.reason) == (
            "kept from version 1",
            Status.COMPLETED,
            "All trials are done.",
        )
        assert (run.cells_ok, run.cells_error, run.trials_done, run.n_val) == (3, 1, 0, 2)
        assert [command["kind"] for command in reader.commands(run.id)] == ["pause"]
        assert reader.outcome(run.id) == OUTCOME
        assert [event.kind for _, _, event in reader.events(run.id)] == ["status", "phase", "note", "status"]
        journal = SqliteJournal(store, run.id, "any")
        assert list(journal.arms()) == [record for record in SAMPLES if isinstance(record, Arm)]
        assert list(journal.cells()) == [record for record in SAMPLES if isinstance(record, Cell)]
        assert list(journal.trials()) == [record for record in SAMPLES if isinstance(record, Trial)]
        store.move(run.id, Status.QUEUED)
        assert store.claim(run.id, "worker-2", 30)


@pytest.mark.parametrize("name", ["v1.db", "v3.db", "v8.db", "v12.db"])
def test_a_replay_of_an_older_studio_is_let_in_with_its_arms(tmp_path: Path, name: str) -> None:
    old = tmp_path / "replay.db"
    shutil.copy(FIXTURES / name, old)
    run_id = unpack(old, tmp_path / "studio.db", "replay.db", lambda reader, run: None)
    with Reader(tmp_path / "studio.db") as reader:
        assert reader.arms(run_id) == [record for record in SAMPLES if isinstance(record, Arm)]


def test_an_old_replay_that_unpacks_to_more_than_it_may_is_not_brought_up_to_date(tmp_path: Path) -> None:
    old = tmp_path / "replay.db"
    shutil.copy(FIXTURES / "v8.db", old)
    conn = sqlite3.connect(old)
    with conn:
        conn.execute("update demo_sets set demos = ?", [zlib.compress(b"[" + b" " * 100_000_000 + b"]")])
    conn.close()
    with pytest.raises(BadInput, match="is not a replay file"):
        unpack(old, tmp_path / "studio.db", "replay.db", lambda reader, run: None)
