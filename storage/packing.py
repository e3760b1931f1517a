"""One run in one file, to be shown where there is no model and no key, and such a file taken into a store.

A pack is a store of today's schema with one run. Taking one in is reading a stranger's database: nothing in it is
run (no trigger, no view), it is read whole once before a row is copied, and the run is marked with its origin.
"""

import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import BadInput, IllegalMove, StudioError
from mipro_studio.optimizer_core.files import PRIVATE_FOLDER
from mipro_studio.optimizer_core.types import TEACHER, Candidate, Status
from mipro_studio.storage.codec import from_json, from_text, to_json, to_text
from mipro_studio.storage.connection import immediate, open_writer
from mipro_studio.storage.views import Reader

__all__ = ["LARGEST_MB", "pack", "unpack"]

LARGEST_MB = 200
# A trace of a megabyte is rare; without a bound, a small compressed field could fill the memory.
_LONGEST_JSON = 64 * 1024 * 1024

_TABLES = (
    "runs", "run_documents", "outcomes", "examples", "instructions", "demo_sets", "prompt_calls", "burns", "cells",
    "traces", "trials", "trial_examples", "events", "commands", "notes",
)  # fmt: skip

# Numbers given over all runs of a store: a store that takes a run in gives its own.
_OWN_NUMBERS = {
    "examples": "seq", "instructions": "seq", "demo_sets": "seq", "prompt_calls": "seq", "burns": "seq",
    "trials": "seq", "events": "id", "commands": "id",
}  # fmt: skip

_MACHINE = {"worker_id": None, "lease_ends_at": None, "life_started_at": None}

Change = Callable[[Any], Any]


def pack(store: Path, run_id: str, out: Path, scrub: Change) -> None:
    """Write the run at `store` as a file of its own at `out`, whole or not at all.

    Args:
        scrub: Applied to every text and every JSON value; hides keys.

    Raises:
        StudioError: there is no such run.
        IllegalMove: it is still working.
    """
    out.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER)
    with Reader(store) as reader, reader.snapshot():
        summary = reader.run(run_id)
        if summary.status in (Status.QUEUED, Status.RUNNING):
            raise IllegalMove(f"Run {summary.id} is still working.", "Pack it once it has ended or stands still.")
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".pack-") as folder:
            part = Path(folder) / "run.db"
            target = open_writer(part)
            try:
                with immediate(target, part):
                    for table in _TABLES:
                        _copy(reader.database, target, table, summary.id, scrub)
                    # A worker that died without a word is seen by its lease, which does not travel.
                    target.execute("update runs set status = ?", [summary.status])
                target.execute("pragma journal_mode = delete")
                target.execute("vacuum")
            finally:
                target.close()
            part.replace(out)


def _copy(
    source: Database, target: Database, table: str, run_id: str, change: Change, *, renumber: bool = False
) -> None:
    columns = _columns(source, table)
    kept = [name for name in columns if not (renumber and name == _OWN_NUMBERS.get(table))]
    order = _OWN_NUMBERS.get(table)
    where = "id" if table == "runs" else "run_id"
    rows = source.execute(
        f"select {', '.join(kept)} from {table} where {where} = ?{f' order by {order}' if order else ''}", [run_id]
    )
    insert = f"insert into {table} ({', '.join(kept)}) values ({', '.join('?' * len(kept))})"
    for row in rows:
        values = [_changed(columns[name], value, change) for name, value in zip(kept, row, strict=True)]
        if table == "runs":
            values = [_MACHINE.get(name, value) for name, value in zip(kept, values, strict=True)]
        target.execute(insert, values)


def _columns(db: Database, table: str) -> dict[str, str]:
    return {name: kind.upper() for _, name, kind, *_ in db.execute(f"pragma table_info({table})")}


def _changed(kind: str, value: Any, change: Change) -> Any:
    if value is None or kind in ("INTEGER", "REAL"):
        return value
    if kind == "ANY":
        return to_json(change(from_json(value)))
    return to_text(change(from_text(value)))


def unpack(file: Path, store: Path, origin: str, check: Callable[[Reader, str], None]) -> str:
    """Take the run in `file` into `store`, read-only, and return its id; one that is there already stays as it is.

    Args:
        origin: Where it came from, for people.
        check: Reads what else must be right; raises when it is not.

    Raises:
        BadInput: the file is not a pack, is damaged, too large, or of a newer studio.
    """
    if not file.is_file():
        raise BadInput(f"There is no file {file.name!r}.")
    if file.stat().st_size > LARGEST_MB * 1024 * 1024:
        raise BadInput(f"{file.name!r} is larger than {LARGEST_MB} MB, so it is not opened.")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run.db"
        shutil.copyfile(file, copy)
        run_id = _examined(copy, file.name, check)
        with Reader(copy) as source:
            target = open_writer(store)
            try:
                with immediate(target, store):
                    _take_in(source.database, target, run_id, origin)
            finally:
                target.close()
    return run_id


def _examined(copy: Path, name: str, check: Callable[[Reader, str], None]) -> str:
    """The id of the only run in the file, once everything in it has been read."""
    no_pack = BadInput(f"{name!r} is not a replay file of the studio.", "Choose a file made by Export, Replay file.")
    try:
        _harmless(copy)
        open_writer(copy).close()  # an older studio's file is brought up to date
        with Reader(copy) as reader:
            _bounded(reader.database)
            runs = reader.list_runs(limit=2)
            if len(runs) != 1 or runs[0].status in (Status.QUEUED, Status.RUNNING):
                raise no_pack
            _read_all(reader, runs[0].id)
            check(reader, runs[0].id)
            return runs[0].id
    except StudioError as error:
        raise (error if "newer studio" in str(error) else no_pack) from error
    except (sqlite3.Error, ValueError, TypeError, KeyError, AttributeError, RecursionError, zlib.error) as error:
        raise no_pack from error


def _harmless(copy: Path) -> None:
    conn = sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True)
    try:
        conn.execute("pragma trusted_schema = off")
        kinds = {kind for (kind,) in conn.execute("select type from sqlite_master")}
        if kinds - {"table", "index"} or conn.execute("pragma quick_check(1)").fetchone()[0] != "ok":
            raise ValueError("it holds more than tables, or is damaged")
    finally:
        conn.close()


def _bounded(db: Database) -> None:
    for table in _TABLES:
        for name in (name for name, kind in _columns(db, table).items() if kind == "ANY"):
            for (value,) in db.execute(f"select {name} from {table}"):
                if isinstance(value, bytes):
                    unpacker = zlib.decompressobj()
                    unpacker.decompress(value, _LONGEST_JSON)
                    if unpacker.unconsumed_tail:
                        raise ValueError("a field is too long")


def _read_all(reader: Reader, run_id: str) -> None:
    """Every record becomes what it claims to be; ValueError and its like where one does not."""
    documents = (reader.config(run_id), reader.plan(run_id), reader.receipt(run_id), reader.outcome(run_id))
    arms = (*reader.examples(run_id), *reader.instructions(run_id), *reader.demo_sets(run_id))
    rest = (*reader.prompt_calls(run_id), *reader.events(run_id, limit=10**9), *reader.commands(run_id))
    trials = reader.trials_with_examples(run_id)
    scored = (*reader.cells(run_id), *reader.notes(run_id))
    outcome = documents[-1]
    for candidate in _candidates(reader, [trial.candidate for trial in trials]):
        Candidate.parse(candidate)
    if outcome is not None and outcome.winner is not None:
        Candidate.parse(outcome.winner)
    read = len(rest) + len(scored) + len(reader.burns(run_id))
    if not arms or not read:
        raise ValueError("a run has examples and events")


def _candidates(reader: Reader, of_trials: list[str]) -> Iterator[str]:
    yield from dict.fromkeys(of_trials)
    for (candidate,) in reader.database.execute("select distinct candidate from cells"):
        if from_text(candidate) != TEACHER:
            yield from_text(candidate)
    for (body,) in reader.database.execute("select body from traces"):
        prediction, steps, *said = from_json(body)
        known = all(len(step) in (3, 4) and isinstance(step[-1], (dict, str)) for step in steps)
        if not isinstance(prediction, dict) or not known or not all(isinstance(words, str) for words in said):
            raise ValueError("a trace is not one")


def _take_in(source: Database, target: Database, run_id: str, origin: str) -> None:
    if target.execute("select 1 from runs where id = ?", [run_id]).fetchone() is not None:
        return
    for table in _TABLES:
        _copy(source, target, table, run_id, lambda value: value, renumber=True)
    target.execute(
        "update runs set origin = ?, last_event_id = coalesce((select max(id) from events where run_id = ?), 0) "
        "where id = ?",
        [to_text(origin), run_id, run_id],
    )
