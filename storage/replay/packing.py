"""One run in one file, to be shown where there is no model and no key, and such a file taken into a store.

A pack is a store of today's schema with one run. Taking one in is reading a stranger's database: `arriving` says
whether it may come in, and the run is marked with its origin.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import BadInput, IllegalMove
from mipro_studio.optimizer_core.files import written_aside
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage.clock import present
from mipro_studio.storage.codec import from_json, from_text, to_json, to_text
from mipro_studio.storage.connection import immediate, open_writer
from mipro_studio.storage.in_pieces import Passage, abandoned, pieces
from mipro_studio.storage.replay.arriving import LARGEST_MB, Check, examined
from mipro_studio.storage.seals import digests, seal, seal_row
from mipro_studio.storage.views.reader import Reader

__all__ = ["LARGEST_MB", "pack", "unpack"]

_TABLES = (
    "runs", "run_documents", "outcomes", "examples", "arms", "prompt_calls", "burns", "cells",
    "traces", "trials", "trial_examples", "events", "commands", "notes", "tunings", "tuning_rows", "seals",
)  # fmt: skip

# Numbers given over all runs of a store: a store that takes a run in gives its own.
_OWN_NUMBERS = {
    "examples": "seq", "arms": "seq", "prompt_calls": "seq", "burns": "seq",
    "trials": "seq", "events": "id", "commands": "id", "tunings": "seq",
}  # fmt: skip

_OF_A_WORKER = (
    "worker_id", "lease_ends_at", "life_started_at", "lease_steady_s", "beat_steady_s", "lease_machine", "lease_boot",
)  # fmt: skip

Change = Callable[[Any], Any]


def pack(store: Path, run_id: str, out: Path, scrub: Change) -> None:
    """Write the run at `store` as a file of its own at `out`, whole or not at all.

    Args:
        scrub: Applied to every text and every JSON value; hides keys.

    Raises:
        StudioError: there is no such run.
        IllegalMove: it is still working.
    """
    with Reader(store) as reader, reader.snapshot():
        summary = reader.run(run_id)
        if summary.status in (Status.QUEUED, Status.RUNNING):
            raise IllegalMove(f"Run {summary.id} is still working.", "Pack it once it has ended or stands still.")
        reader.require_whole(summary.id)
        # SQLite writes files beside it, which go with the folder whatever happens.
        with written_aside(out) as aside, tempfile.TemporaryDirectory(dir=aside.parent, prefix=".pack-") as folder:
            part = Path(folder) / "run.db"
            target = open_writer(part)
            try:
                with immediate(target, part):
                    for table in _TABLES[:-1]:
                        _copy(reader.database, target, table, summary.id, scrub)
                    # A worker that died without a word is seen by its lease, which does not travel.
                    target.execute("update runs set status = ?", [summary.status])
                    seal(target, summary.id, digests(target, summary.id))  # of what was scrubbed
                target.execute("pragma journal_mode = delete")
                target.execute("vacuum")
            finally:
                target.close()
            part.replace(aside)


def _copy(
    source: Database, target: Database, table: str, run_id: str, change: Change | None, *, renumber: bool = False
) -> None:
    insert, rows = _rows(source, table, run_id, change, renumber)
    for row in rows:
        target.execute(insert, row)


def _rows(
    source: Database, table: str, run_id: str, change: Change | None, renumber: bool
) -> tuple[str, Iterator[list[Any]]]:
    """The statement that inserts a row into `table`, and the rows of the run."""
    columns = _columns(source, table)
    kept = [name for name in columns if not (renumber and name == _OWN_NUMBERS.get(table))]
    order = _OWN_NUMBERS.get(table)
    where = "id" if table == "runs" else "run_id"
    rows = source.execute(
        f"select {', '.join(kept)} from {table} where {where} = ?{f' order by {order}' if order else ''}", [run_id]
    )

    def changed(row: Sequence[Any]) -> list[Any]:
        values = [_changed(columns[name], value, change) for name, value in zip(kept, row, strict=True)]
        if table == "runs":
            values = [None if name in _OF_A_WORKER else value for name, value in zip(kept, values, strict=True)]
        return values

    return f"insert into {table} ({', '.join(kept)}) values ({', '.join('?' * len(kept))})", map(changed, rows)


def _columns(db: Database, table: str) -> dict[str, str]:
    return {name: kind.upper() for _, name, kind, *_ in db.execute(f"pragma table_info({table})")}


def _changed(kind: str, value: Any, change: Change | None) -> Any:
    if change is None or value is None or kind in ("INTEGER", "REAL"):
        return value
    if kind == "ANY":
        return to_json(change(from_json(value)))
    return to_text(change(from_text(value)))


def unpack(file: Path, store: Path, origin: str, check: Check) -> str:
    """Take the run in `file` into `store`, read-only, and return its id; one that is there already stays as it is.

    Args:
        origin: Where it came from, for people.
        check: Reads what else must be right; raises when it is not.

    Raises:
        BadInput: the file is not a pack, is damaged, too large, or of a newer studio.
    """
    try:
        size = file.stat().st_size if file.is_file() else None
    except (OSError, ValueError) as error:
        raise BadInput(f"{str(file)[:200]!r} is not the path of a file.") from error
    if size is None:
        raise BadInput(f"There is no file {file.name!r}.")
    if size > LARGEST_MB * 1024 * 1024:
        raise BadInput(f"{file.name!r} is larger than {LARGEST_MB} MB, so it is not opened.")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run.db"
        try:
            shutil.copyfile(file, copy)
        except OSError as error:
            raise BadInput(f"{file.name!r} cannot be read: {error.strerror}.") from error
        fresh, run_id = examined(copy, origin, check, _copy_run)
        with Reader(fresh) as source, closing(open_writer(store)) as target:
            _take_in(source.database, target, store, run_id, origin)
    return run_id


def _copy_run(source: Database, target: Database, run_id: str) -> None:
    for table in _TABLES:
        _copy(source, target, table, run_id, None, renumber=True)


def _take_in(source: Database, target: Database, store: Path, run_id: str, origin: str) -> None:
    abandoned(target, store, present, run_id)
    passage = Passage(target, store, run_id, present)
    with immediate(target, store):
        if target.execute("select 1 from runs where id = ?", [run_id]).fetchone() is not None:
            return
        _copy(source, target, "runs", run_id, None)
        passage.begin()
    try:
        for table in _TABLES[1:]:
            insert, rows = _rows(source, table, run_id, None, True)
            pieces(passage, rows, partial(_insert, target, insert))
        passage.piece(lambda: _arrived(target, run_id, origin, passage))
    except BaseException:
        passage.given_up()
        raise


def _insert(target: Database, statement: str, rows: Sequence[list[Any]]) -> None:
    target.conn.executemany(statement, rows)


def _arrived(target: Database, run_id: str, origin: str, passage: Passage) -> None:
    target.execute(
        "update runs set origin = ?, last_event_id = coalesce((select max(id) from events where run_id = ?), 0) "
        "where id = ?",
        [to_text(origin), run_id, run_id],
    )
    if not isinstance(target, Database):  # another database gives back what it stores in other words
        seal(target, run_id, digests(target, run_id))
    seal_row(target, run_id)
    passage.end()
