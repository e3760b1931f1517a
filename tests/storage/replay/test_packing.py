"""One run in one file and back: nothing lost, keys gone, and a stranger's file does no harm."""

import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.control import take_home
from mipro_studio.optimizer_core.errors import BadInput, IllegalMove, StudioError
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader, SqliteJournal, Store, pack, unpack
from tests.storage.samples import SAMPLES, WORKER, queued, running
from tests.ui.compare.together import together


def as_it_is(value: Any) -> Any:
    return value


def nothing_more(reader: Reader, run_id: str) -> None:
    return None


@pytest.fixture
def run(store: Store) -> str:
    queued(store, "another run")
    run_id = running(store)
    SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
    store.release(run_id, WORKER, Status.COMPLETED)
    return run_id


@pytest.fixture
def packed(store: Store, run: str, tmp_path: Path) -> Path:
    out = tmp_path / "run.mipro"
    pack(store.path, run, out, as_it_is)
    return out


READS = (
    "config", "plan", "receipt", "outcome", "examples", "arms", "prompt_calls", "spent", "cells",
    "trials_with_examples", "trial_times",
)  # fmt: skip


def test_a_pack_and_a_store_that_took_it_in_hold_the_run_and_nothing_else(
    store: Store, run: str, packed: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other" / "studio.db"
    with Store(other) as mine:
        queued(mine, "my own")
    assert unpack(packed, other, "run.mipro", nothing_more) == run
    with Reader(store.path) as here, Reader(packed) as inside, Reader(other) as there:
        assert [summary.id for summary in inside.list_runs()] == [run]
        assert there.count_runs() == 2
        for copy in (inside, there):
            for read in READS:
                assert getattr(copy, read)(run) == getattr(here, read)(run), read
            assert [event[1:] for event in copy.events(run)] == [event[1:] for event in here.events(run)]
            assert copy.run(run).last_event_id == copy.events(run)[-1][0]
        assert (here.run(run).origin, inside.run(run).origin, there.run(run).origin) == (None, None, "run.mipro")


def test_taking_it_in_twice_changes_nothing(packed: Path, run: str, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    unpack(packed, other, "first", nothing_more)
    unpack(packed, other, "second", nothing_more)
    with Reader(other) as reader:
        assert (reader.count_runs(), reader.run(run).origin) == (1, "first")


def test_what_came_from_a_file_cannot_be_moved_commanded_or_changed_but_deleted(
    packed: Path, run: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.db"
    unpack(packed, other, "run.mipro", nothing_more)
    with Store(other) as store:
        asks: tuple[Callable[[], object], ...] = (
            lambda: store.move(run, Status.QUEUED),
            lambda: store.send(run, "stop"),
            lambda: store.update_config(run, {}, {}),
        )
        for ask in asks:
            with pytest.raises(IllegalMove, match="came from a replay file"):
                ask()
        assert not store.claim(run, "worker", 30)
        store.delete_run(run)
    with Reader(other) as reader:
        assert reader.count_runs() == 0


def test_every_text_passes_the_scrubber(store: Store, run: str, tmp_path: Path) -> None:
    def upper(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: upper(item) for key, item in value.items()}
        if isinstance(value, list):
            return [upper(item) for item in value]
        return value.replace("Think", "[hidden]") if isinstance(value, str) else value

    out = tmp_path / "run.mipro"
    pack(store.path, run, out, upper)
    with Reader(out) as reader:
        texts = [arm.text for arm in reader.instructions(run)]
        assert texts == ["Answer.", "[hidden], then answer."]
        assert reader.prompt_calls(run)[0].reply == "[hidden]."


def test_a_run_that_works_is_not_packed_and_leaves_no_file(store: Store, tmp_path: Path) -> None:
    out = tmp_path / "run.mipro"
    with pytest.raises(IllegalMove, match="still working"):
        pack(store.path, queued(store), out, as_it_is)
    with pytest.raises(StudioError, match="There is no run"):
        pack(store.path, "nobody", out, as_it_is)
    assert not list(tmp_path.glob("*.mipro")) + list(tmp_path.glob(".pack*"))


def _spoil(path: Path, *statements: tuple[str, tuple[Any, ...]]) -> None:
    conn = sqlite3.connect(path)
    conn.execute("delete from seals")  # whoever means harm leaves none that would give it away
    for sql, values in statements:
        conn.execute(sql, values)
    conn.commit()
    conn.close()


def bomb() -> bytes:
    return zlib.compress(b'"' + b"x" * (70 * 1024 * 1024) + b'"')


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("create trigger t after insert on runs begin delete from runs; end", ()),
        ("create view v as select 1", ()),
        ("update runs set status = 'running'", ()),
        ("update runs set status = 'nonsense'", ()),
        ("update outcomes set body = 'no json'", ()),
        ("update outcomes set body = '[]'", ()),
        ("update trials set candidate = '../../etc/passwd'", ()),
        ("update traces set body = ?", (bomb,)),
        ("delete from runs", ()),
        ("drop table cells", ()),
    ],
)
def test_a_file_that_is_no_pack_is_refused_and_nothing_is_taken_in(
    packed: Path, tmp_path: Path, sql: str, values: tuple[Callable[[], Any], ...]
) -> None:
    _spoil(packed, (sql, tuple(value() for value in values)))
    other = tmp_path / "other.db"
    with pytest.raises(BadInput, match="is not a replay file"):
        unpack(packed, other, "x", nothing_more)
    assert not other.exists()


def test_other_files_are_refused_in_words(tmp_path: Path) -> None:
    text = tmp_path / "notes.mipro"
    text.write_text("not a database at all, only notes" * 20)
    for file, says in ((text, "is not a replay file"), (tmp_path / "gone.mipro", "There is no file")):
        with pytest.raises(BadInput, match=says):
            unpack(file, tmp_path / "other.db", "x", nothing_more)


def test_a_pack_of_a_newer_studio_says_so(packed: Path, tmp_path: Path) -> None:
    _spoil(
        packed,
        (
            "insert into _sqlite_migrations (migration_set, name, applied_at) values (?, ?, ?)",
            ("mipro_studio", "999_future", "2030-01-01"),
        ),
    )
    with pytest.raises(StudioError, match="newer studio"):
        unpack(packed, tmp_path / "other.db", "x", nothing_more)


def test_where_tuned_weights_stand_on_this_machine_is_cut_from_a_pack(tmp_path: Path) -> None:
    jobs = "/home/ada/secret-project/tunings/run-1"
    store, run_id = tmp_path / "studio.db", together(tmp_path / "studio.db", tuned=f"{jobs}/studio-1/adapter.gguf")
    take_home.pack(store, run_id, tmp_path / "run.mipro")
    other = tmp_path / "other.db"
    unpack(tmp_path / "run.mipro", other, "run.mipro", nothing_more)
    with Reader(other) as reader:
        assert {tuning.facts["tuned"] for tuning in reader.tunings(run_id)} == {"studio-1/adapter.gguf"}
        weights = [arm.content["tuned"] for arm in reader.arms(run_id) if arm.kind == "weights"]
    assert set(weights) == {None, "studio-1/adapter.gguf"}
    assert b"secret-project" not in (tmp_path / "run.mipro").read_bytes()
