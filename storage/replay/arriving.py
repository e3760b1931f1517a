"""What comes in from a stranger's file: held against all that the studio relies on, before any of it is shown.

Nothing in the file is run: no trigger, no view, no virtual table. Its rows are copied into fresh tables of ours,
which refuse other types; every JSON text is held against `shapes`; sizes are bounded one by one and in all.
"""

import json
import math
import re
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.types import PROGRAM, TEACHER, Candidate, Status
from mipro_studio.storage.codec import from_text
from mipro_studio.storage.connection import immediate, open_writer
from mipro_studio.storage.migrations import MIGRATIONS
from mipro_studio.storage.paths import is_run_id
from mipro_studio.storage.replay import shapes
from mipro_studio.storage.seals import broken
from mipro_studio.storage.views.reader import Reader

__all__ = ["LARGEST_MB", "Check", "examined"]

LARGEST_MB = 200
_LONGEST_FIELD = 16 * 1024 * 1024
_LONGEST_ALL = 64 * 1024 * 1024
"""Bytes of JSON in a small file; a large one may hold `_MOST_TIMES` its size, which no honest one reaches."""
_MOST_TIMES = 25

Check = Callable[[Reader, str], None]
"""Reads what else must be right in the store it is given, of the run of that id; raises when it is not."""

CopyRun = Callable[[Database, Database, str], None]

_FOREIGN_FAULTS = (
    sqlite3.Error, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError,
    MemoryError, zlib.error,
)  # fmt: skip

_SHAPES: dict[tuple[str, str], Any] = {
    ("run_documents", "config"): shapes.MAPPING,
    ("run_documents", "plan"): shapes.Plan,
    ("run_documents", "receipt"): shapes.Receipt,
    ("outcomes", "body"): shapes.Outcome,
    ("examples", "body"): shapes.Row,
    ("arms", "content"): shapes.MAPPING,
    ("arms", "provenance"): shapes.Provenance,
    ("prompt_calls", "body"): shapes.PromptCall,
    ("traces", "body"): shapes.Trace,
    ("trial_examples", "body"): shapes.TrialExamples,
    ("tunings", "facts"): shapes.MAPPING,
    ("tuning_rows", "body"): shapes.TuningRows,
    ("commands", "payload"): shapes.MAPPING,
    ("commands", "settled"): shapes.Settled,
}


def examined(copy: Path, name: str, check: Check, copy_run: CopyRun) -> tuple[Path, str]:
    """A fresh store beside `copy` that holds the only run of that file, and the run's id.

    Args:
        copy: A copy of the file, which is changed.
        name: What the file is called, for people.
        copy_run: Copies a run from one database to another.

    Raises:
        BadInput: the file is not a replay, is damaged, too large, or of a newer studio.
    """
    no_pack = BadInput(f"{name!r} is not a replay file of the studio.", "Choose a file made by Export, Replay file.")
    fresh = copy.with_name("fresh.db")
    try:
        _harmless(copy)
        open_writer(copy).close()  # an older studio's file is brought up to date
        with Reader(copy) as source, closing(open_writer(fresh)) as target:
            _check_texts(source.database, _allowed(copy))
            with immediate(target, fresh):
                copy_run(source.database, target, _only_run(source))
        with Reader(fresh) as reader:
            run_id = _only_run(reader)
            _check_numbers(reader.database)
            if broken(reader.database, run_id):
                raise BadInput(f"{name!r} is damaged: it is not what was packed.", "Ask for it once more.")
            _read_all(reader, run_id)
            check(reader, run_id)
            return fresh, run_id
    except StudioError as error:
        raise (error if isinstance(error, BadInput) or "newer studio" in str(error) else no_pack) from error
    except _FOREIGN_FAULTS as error:
        raise no_pack from error


def _harmless(copy: Path) -> None:
    with closing(sqlite3.connect(f"{copy.as_uri()}?mode=ro", uri=True)) as conn:
        conn.execute("pragma trusted_schema = off")
        conn.execute("pragma cell_size_check = on")
        made = conn.execute("select type, name, coalesce(sql, '') from sqlite_master").fetchall()
        tables = {name for kind, name, _ in made if kind == "table" and not name.startswith("sqlite_")}
        if {kind for kind, _, _ in made} - {"table", "index"} or tables - _tables_of_a_store():
            raise ValueError("it holds more than the tables of a run")
        if any(re.match(r"\s*create\s+virtual", sql, re.IGNORECASE) for _, _, sql in made):
            raise ValueError("a virtual table would run code")
        if "demo_sets" in tables:  # of an older studio: bringing it up to date unpacks them
            left = _allowed(copy)
            for (stored,) in conn.execute("select demos from demo_sets"):
                left -= len(_json_text(stored, left))
        hidden = [column for table in tables for column in conn.execute(f"pragma table_xinfo({table})") if column[6]]
        if hidden or conn.execute("pragma quick_check(1)").fetchone()[0] != "ok":
            raise ValueError("it computes columns, or is damaged")


@cache
def _tables_of_a_store() -> frozenset[str]:
    fresh = Database(memory=True, execute_plugins=False)
    MIGRATIONS.apply(fresh)
    return frozenset(fresh.table_names()) | {"instructions", "demo_sets"}  # of older studios


def _only_run(reader: Reader) -> str:
    ids = [row[0] for row in reader.database.execute("select id from runs limit 2")]
    if len(ids) != 1 or not is_run_id(ids[0]):
        raise ValueError("it does not hold one run")
    return str(ids[0])


def _allowed(copy: Path) -> int:
    return max(_LONGEST_ALL, _MOST_TIMES * copy.stat().st_size)


def _check_texts(db: Database, left: int) -> None:
    """Every JSON text is what it should be, and all of them together are no longer than `left` bytes."""
    for (table, column), shape in _SHAPES.items():
        for (stored,) in db.execute(f"select {column} from {table} where {column} is not null"):
            text = _json_text(stored, left)
            left -= len(text)
            shapes.checked(shape, text)
    for kind, stored in db.execute("select kind, data from events"):
        text = _json_text(stored, left)
        left -= len(text)
        shapes.checked(shapes.EVENTS.get(from_text(kind), shapes.MAPPING), text)


def _json_text(stored: Any, left: int) -> str:
    """A column's JSON, unpacked no further than it may be."""
    limit = min(_LONGEST_FIELD, left)
    if isinstance(stored, bytes):
        unpacker = zlib.decompressobj()
        stored = unpacker.decompress(stored, max(limit, 1))
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise ValueError("a field is too long, or cut")
        stored = stored.decode("ascii")
    if not isinstance(stored, str) or len(stored) > limit:
        raise ValueError("a field is too long, or no JSON")
    return stored


def _check_numbers(db: Database) -> None:
    """Numbers of a size that people meet, and times that are times."""
    for table in ("runs", "cells", "trials", "burns"):
        columns = [(name, kind) for _, name, kind, *_ in db.execute(f"pragma table_info({table})")]
        names = [name for name, kind in columns if kind.upper() in ("INTEGER", "REAL")]
        for row in db.execute(f"select {', '.join(names)} from {table}"):
            if any(value is not None and not (math.isfinite(value) and abs(value) <= 1e15) for value in row):
                raise ValueError("a number is out of all proportion")
        times = [name for name, _ in columns if name == "at" or name.endswith("_at")]
        for row in db.execute(f"select {', '.join(times)} from {table}") if times else ():
            if any(value is not None and datetime.fromisoformat(value).tzinfo is None for value in row):
                raise ValueError("a time has no zone")


def _read_all(reader: Reader, run_id: str) -> None:
    """Every record becomes what it claims to be, and they fit together."""
    run = reader.run(run_id)
    if run.status in (Status.QUEUED, Status.RUNNING) or not 0 <= run.seed < 2**63:
        raise ValueError("a replay is of a run that stands still")
    rest = (*reader.events(run_id, limit=10**9), *reader.commands(run_id), *reader.changes(run_id))
    others = (*reader.prompt_calls(run_id), *reader.cells(run_id), *reader.notes(run_id), *reader.spent(run_id))
    others += (*reader.tunings(run_id),)
    trials, outcome = reader.trials_with_examples(run_id), reader.outcome(run_id)
    if not reader.examples(run_id) or not (rest or others):
        raise ValueError("a run has examples and events")
    arms = reader.arms(run_id)
    for arm in arms:
        if arm.kind in shapes.ARMS:
            shapes.checked(shapes.ARMS[arm.kind], json.dumps(arm.content))
    predictors = {arm.owner for arm in arms if arm.owner != PROGRAM}
    named = [*(trial.candidate for trial in trials), *_candidates(reader)]
    named += [outcome.winner] if outcome is not None and outcome.winner is not None else []
    if any(Candidate.parse(name).n_predictors != len(predictors) for name in dict.fromkeys(named)):
        raise ValueError("a candidate is of another program")


def _candidates(reader: Reader) -> Iterator[str]:
    for (candidate,) in reader.database.execute("select distinct candidate from cells"):
        if from_text(candidate) != TEACHER:
            yield from_text(candidate)
