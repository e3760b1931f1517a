"""Hostile replay files: each is refused in one sentence, and nothing of it gets into the store or beside it."""

import json
import sqlite3
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.control import take_home
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader, SqliteJournal, Store, log_path, pack, study_path, unpack
from tests.storage.samples import SAMPLES, WORKER, queued, running

Spoil = Callable[[sqlite3.Connection], None]


@pytest.fixture
def packed(store: Store, tmp_path: Path) -> Path:
    run_id = running(store)
    SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
    store.release(run_id, WORKER, Status.COMPLETED)
    out = tmp_path / "run.mipro"
    pack(store.path, run_id, out, lambda value: value)
    return out


def spoil(path: Path, change: Spoil) -> None:
    conn = sqlite3.connect(path)
    conn.execute("delete from seals")  # whoever means harm leaves none that would give it away
    change(conn)
    conn.commit()
    conn.close()


def refused(packed: Path, target: Path) -> None:
    with pytest.raises(BadInput, match="is not a replay file"):
        unpack(packed, target, "x", lambda reader, run_id: None)
    assert not target.exists()


def called(run_id: str) -> Spoil:
    def change(conn: sqlite3.Connection) -> None:
        (old,) = conn.execute("select id from runs").fetchone()
        for (table,) in conn.execute("select name from sqlite_master where type = 'table'").fetchall():
            columns = {name for _, name, *_ in conn.execute(f"pragma table_info({table})")}
            if "run_id" in columns:
                conn.execute(f"update {table} set run_id = ? where run_id = ?", [run_id, old])
        conn.execute("update runs set id = ?", [run_id])

    return change


IDS = (
    "../studio",
    "..",
    ".",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "",
    "x" * 65,
    "rün",
    "a\nb",
    "a b",
    "-rf",
    "a.db",
    "\uff41",
)


@pytest.mark.parametrize("run_id", IDS)
def test_a_run_whose_id_could_name_another_file_is_not_let_in(packed: Path, tmp_path: Path, run_id: str) -> None:
    spoil(packed, called(run_id))
    refused(packed, tmp_path / "other.db")
    for name in (log_path, study_path):
        with pytest.raises(StudioError, match="is not the id of a run"):
            name(tmp_path / "studio.db", run_id)


def test_deleting_a_run_with_such_an_id_that_an_older_studio_let_in_touches_no_other_file(store: Store) -> None:
    run_id, kept = queued(store), queued(store, "kept")
    store.db.execute("pragma foreign_keys = off")
    called("../studio")(_only(store, run_id))
    store.db.execute("pragma foreign_keys = on")
    (store.path.parent / "logs").mkdir()
    victims = [store.path.with_name("studio.log"), store.path.parent / "logs" / "x.log"]
    for victim in victims:
        victim.write_text("mine")
    store.delete_run("../studio")
    assert [victim.read_text() for victim in victims] == ["mine", "mine"]
    with Reader(store.path) as reader:
        assert [run.id for run in reader.list_runs()] == [kept]


def _only(store: Store, run_id: str) -> Any:
    """The store's connection, with statements about all rows narrowed to one run's."""

    class Narrowed:
        def execute(self, sql: str, values: Any = ()) -> Any:
            sql = sql.replace("select id from runs", f"select id from runs where id = '{run_id}'")
            sql = sql.replace("set id = ?", f"set id = ? where id = '{run_id}'")
            return store.db.execute(sql, values)

    return Narrowed()


def sql(statement: str, *values: Any) -> Spoil:
    def change(conn: sqlite3.Connection) -> None:
        conn.execute(statement, values)

    return change


def texts(table: str, column: str, value: Any) -> Spoil:
    return sql(f"update {table} set {column} = ?", json.dumps(value))


def outcome(**parts: Any) -> Spoil:
    return texts("outcomes", "body", {"winner": "i1d1", "reason": "", "importance": [], **parts})


def event(kind: str, data: str) -> Spoil:
    return sql("insert into events (run_id, at, kind, data) select id, created_at, ?, ? from runs", kind, data)


PAIRED = {"difference": 0.1, "low": 0.0, "high": 0.2, "level": 0.9, "n": 2, "won": 1, "lost": 0, "tied": 1}
SECOND_RUN = (
    "insert into runs (id, name, optimizer, seed, status, created_at, updated_at) "
    "select 'b', name, optimizer, seed, status, created_at, updated_at from runs"
)

WRONG: dict[str, Spoil] = {
    "outcome: mean is text": outcome(best_val={"mean": "0.9", "n": 3}),
    "outcome: estimate is a list": outcome(best_test=[1, 2]),
    "outcome: paired without counts": outcome(paired_test={"difference": 1}),
    "outcome: p is a list": outcome(paired_val={**PAIRED, "p_value": [0.1]}),
    "outcome: importance is text": outcome(importance="none"),
    "outcome: spread is text": outcome(importance=[{"spread": "wide", "n_cells": 1, "n_candidates": 1}]),
    "outcome: a spread of nothing": outcome(importance=[{"spread": 0.5}]),
    "outcome: corrected in part": outcome(corrected={"mean": 0.5}),
    "outcome: winner is a number": outcome(winner=7),
    "outcome: winner of another program": outcome(winner="i0d0-i0d0"),
    "outcome: a reason that is no text": outcome(reason={"a": 1}),
    "outcome: not a number": outcome(best_val={"mean": float("nan"), "n": 1}),
    "plan: calls are text": texts("run_documents", "plan", {"lm_calls": {"task": "many"}}),
    "plan: notes are a number": texts("run_documents", "plan", {"notes": 3}),
    "receipt: rows are text": texts("run_documents", "receipt", {"settings": "all"}),
    "receipt: versions are lists": texts("run_documents", "receipt", {"versions": {"dspy": [3]}}),
    "config: a list": texts("run_documents", "config", [1]),
    "event: text is a number": event("note", '{"text": 3}'),
    "event: a list": event("anything", "[]"),
    "event: total is text": event("phase", '{"phase": "search", "total": "x"}'),
    "event: beliefs without arms": event("beliefs", '{"arms": 3}'),
    "event: spending is text": event("spending", '{"task": "x"}'),
    "provenance: switches are text": texts("arms", "provenance", {"switches": "on"}),
    "provenance: tokens are a list": texts("arms", "provenance", {"tokens": [1]}),
    "provenance: round is text": texts("arms", "provenance", {"round": "one", "values": {}}),
    "demos: not pairs": texts("arms", "content", {"text": "", "made": "shuffled", "demos": [[1, 2, 3]]}),
    "an instruction without a text": texts("arms", "content", {"made": "shuffled", "demos": []}),
    "an arm that is a list": texts("arms", "content", ["text"]),
    "example: no labels": texts("examples", "body", [{}]),
    "trace: steps are text": texts("traces", "body", [{}, ["step"]]),
    "trial examples: a number": texts("trial_examples", "body", [7]),
    "prompt call: request is text": texts("prompt_calls", "body", ["ask", "", {}, [0, 0, 0, 0, None, 0], None, ""]),
    "time: no zone": sql("update runs set created_at = '2026-11-21'"),
    "time: none": sql("update runs set created_at = 'yesterday'"),
    "number: infinite": sql("update cells set score = 9e999 where score is not null"),
    "number: huge": sql("update runs set wall_s = 1e300"),
    "kind of a trial": sql("update trials set kind = 'x'"),
    "author of an instruction": sql("update arms set author = 'x'"),
    "two runs": sql(SECOND_RUN),
    "a table more": sql("create table more (x)"),
    "a virtual table": sql("create virtual table notes2 using fts5(x)"),
    "a computed column": sql("alter table notes add column x text as (body || body)"),
    "types that its tables do not hold": lambda conn: _unstrict(conn),
}


def _unstrict(conn: sqlite3.Connection) -> None:
    conn.execute("pragma writable_schema = on")
    conn.execute("update sqlite_master set sql = replace(sql, ') strict', ')') where name = 'trials'")
    conn.execute("pragma writable_schema = reset")
    conn.execute("update trials set mean = 'high'")


@pytest.mark.parametrize("wrong", WRONG)
def test_what_pages_and_reports_would_stumble_over_is_not_let_in(packed: Path, tmp_path: Path, wrong: str) -> None:
    spoil(packed, WRONG[wrong])
    refused(packed, tmp_path / "other.db")


def bomb(megabytes: int, fields: int) -> Spoil:
    body = zlib.compress(json.dumps([{"answer": "x" * (megabytes << 20)}, []]).encode(), 9)

    def change(conn: sqlite3.Connection) -> None:
        conn.execute("update traces set body = ?", [body])
        for n in range(fields):
            conn.execute("insert into traces (run_id, seq, body) select id, ?, ? from runs", [1000 + n, body])

    return change


@pytest.mark.parametrize("change", [bomb(17, 0), bomb(12, 8)], ids=["one field", "all together"])
def test_a_small_file_that_unpacks_to_much_is_refused_at_once(packed: Path, tmp_path: Path, change: Spoil) -> None:
    spoil(packed, change)
    assert packed.stat().st_size < 1 << 20
    begun = time.process_time()
    refused(packed, tmp_path / "other.db")
    assert time.process_time() - begun < 5


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_file_is_refused(packed: Path, tmp_path: Path, share: float) -> None:
    content = packed.read_bytes()
    packed.write_bytes(content[: int(len(content) * share)])
    refused(packed, tmp_path / "other.db")


@pytest.mark.parametrize("path", ["no\0file", "x" * 5000, "/proc/self/mem", "."])
def test_a_path_that_is_none_is_one_sentence(tmp_path: Path, path: str) -> None:
    with pytest.raises(BadInput):
        unpack(Path(path), tmp_path / "other.db", "x", lambda reader, run_id: None)


def test_it_is_read_in_a_process_of_its_own_that_has_so_much_time_and_memory(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other.db"
    conn = sqlite3.connect(packed)
    conn.execute("delete from seals")
    conn.execute("update run_documents set config = ?", [json.dumps({"program": "sample:triage"})])
    conn.commit()
    conn.close()
    monkeypatch.setattr("mipro_studio.storage.unpack", lambda *args: pytest.fail("it was read in this process"))
    run_id = take_home.open_replay(other, packed, "of a friend.mipro")
    with Reader(other) as reader:
        assert (reader.run(run_id).origin, reader.count_runs()) == ("of a friend.mipro", 1)
    spoil(packed, called("../studio"))
    with pytest.raises(BadInput, match=r"'of a friend\.mipro' is not a replay file"):
        take_home.open_replay(other, packed, "of a friend.mipro")
    monkeypatch.setattr(take_home, "OPEN_TIMEOUT_S", 0.01)
    with pytest.raises(BadInput, match="more time or memory than any replay file should"):
        take_home.open_replay(other, packed)
