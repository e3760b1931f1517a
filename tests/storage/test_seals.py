"""What a run holds once it stands still is what its worker wrote, or it is said that it is not."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader, SqliteJournal, Store, pack, unpack
from tests.storage.samples import SAMPLES, WORKER, running

# One value of every sealed table, changed to another that is as good as the first to SQLite.
CHANGES = {
    "run_documents": "config = replace(config, '3', '4')",
    "outcomes": "body = replace(body, '0.75', '0.85')",
    "examples": "body = replace(body, 'yes', 'yet')",
    "arms": "content = replace(content, 'Think', 'Thunk')",
    "prompt_calls": "body = replace(body, 'Think', 'Thunk')",
    "burns": "calls = calls + 1",
    "cells": "score = score + 0.25 where score is not null",
    "traces": "body = replace(body, 'yes', 'yet')",
    "trials": "n_ok = n_ok + 1",
    "trial_examples": "body = replace(body, 'e1', 'e2')",
    "events": "data = replace(data, 'hello', 'hallo')",
}


@pytest.fixture
def run(store: Store) -> str:
    run_id = running(store, name="sealed")
    SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
    store.release(run_id, WORKER, Status.COMPLETED, "done")
    return run_id


def changed(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as conn:
        assert conn.execute(sql).rowcount > 0
        conn.commit()


@pytest.mark.parametrize("table", CHANGES)
def test_a_value_that_changed_is_noticed_wherever_the_run_is_relied_upon(
    store: Store, path: Path, run: str, table: str, tmp_path: Path
) -> None:
    with Reader(path) as reader:
        reader.require_whole(run)
        changed(path, f"update {table} set {CHANGES[table]}")
        with pytest.raises(StudioError, match=f"is damaged in its store: {table} changed"):
            reader.require_whole(run)
    with pytest.raises(StudioError, match="is damaged"):
        pack(path, run, tmp_path / "packed", lambda value: value)


@pytest.mark.parametrize("change", ["best_val = 0.99", "name = 'sealee'", "cells_ok = 7", "status = 'stopped'"])
def test_a_run_whose_row_changed_is_shown_as_damaged_without_its_numbers(path: Path, run: str, change: str) -> None:
    changed(path, f"update runs set {change}")
    with Reader(path) as reader:
        for shown in (reader.run(run), reader.list_runs()[0]):
            assert (shown.status, shown.best_val, shown.best_test) == (Status.FAILED, None, None)
            assert "is damaged in its store: runs changed" in shown.reason


def test_what_people_do_with_a_run_that_stands_still_breaks_no_seal(store: Store, path: Path) -> None:
    run_id = running(store)
    SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
    store.release(run_id, WORKER, Status.PAUSED)
    with Reader(path) as reader:
        store.write_note(run_id, "run", "my words")
        store.send(run_id, "write", {"predictor": "answer"})
        reader.require_whole(run_id)
        store.update_config(run_id, {"demos": 4}, {"trials": 9})
        reader.require_whole(run_id)
        store.move(run_id, Status.QUEUED, "resumed")
        reader.require_whole(run_id)
        assert store.claim(run_id, "another", 30)
        SqliteJournal(store, run_id, "another").commit(SAMPLES[:1])
        reader.require_whole(run_id)  # nobody has sealed it yet
        store.release(run_id, "another", Status.STOPPED)
        reader.require_whole(run_id)
        changed(path, f"update runs set trials_planned = 10 where id = '{run_id}'")
        with pytest.raises(StudioError, match="runs changed"):
            reader.require_whole(run_id)


def test_seals_travel_with_a_replay_and_a_changed_one_is_refused(
    store: Store, path: Path, run: str, tmp_path: Path
) -> None:
    file, other = tmp_path / "packed", tmp_path / "other.db"
    pack(path, run, file, lambda value: value.replace("hello", "[hidden]") if isinstance(value, str) else value)
    unpack(file, other, "a file", lambda *_: None)
    with Reader(other) as reader:
        reader.require_whole(run)
        assert reader.run(run).best_val == 0.75
    changed(file, "update cells set score = 0.75 where score = 1.0")
    with pytest.raises(BadInput, match="is damaged: it is not what was packed"):
        unpack(file, tmp_path / "third.db", "a file", lambda *_: None)


def test_a_run_of_an_older_studio_has_no_seals_and_is_shown(path: Path, run: str) -> None:
    changed(path, "delete from seals")
    changed(path, "update cells set score = 0.75 where score = 1.0")
    with Reader(path) as reader:
        reader.require_whole(run)
        assert reader.run(run).status is Status.COMPLETED


@pytest.mark.parametrize(
    "sql",
    [
        "update run_documents set config = x'00ff'",
        "update run_documents set config = '{'",
        "update outcomes set body = '[1]'",
        "update trials set kind = 'nonsense'",
        "update cells set error = 'nonsense' where error is not null",
        "update examples set body = cast(x'ff22' as text)",
        "update arms set author = 'nobody'",
    ],
)
def test_what_cannot_be_read_is_a_sentence(path: Path, run: str, sql: str) -> None:
    changed(path, sql)
    with Reader(path) as reader, pytest.raises(StudioError, match="is damaged") as told:
        for read in (
            reader.config,
            reader.outcome,
            reader.trials,
            reader.examples,
            reader.instructions,
            reader.cells,
        ):
            read(run)
    assert "check-store" in str(told.value)
