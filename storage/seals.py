"""Digests of what a run holds once it stands still: SQLite notices a damaged page only where its structure suffers.

A worker that ends seals its run: a digest of every table's rows and of the run's own row. Whoever goes on with the
run, shows it or takes it elsewhere holds its content against them. While a worker writes there are no seals.
"""

import hashlib
from collections.abc import Mapping

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import StudioError

__all__ = ["broken", "broken_rows", "damaged", "digests", "is_sealed", "reseal", "seal", "seal_row", "unseal"]

_ORDER = {
    "run_documents": "run_id", "outcomes": "run_id", "examples": "seq", "arms": "seq", "prompt_calls": "seq",
    "burns": "seq", "cells": "split, candidate, example, rollout", "traces": "seq", "trials": "seq",
    "trial_examples": "trial_order", "events": "id", "tunings": "seq", "tuning_rows": "number",
}  # fmt: skip
"""The sealed tables. What people write to a run that stands still (commands, notes) is not sealed."""

# A store that takes a run in gives its own numbers; a lease is of a worker.
_NOT_SEALED: Mapping[str, frozenset[str]] = {
    "runs": frozenset(
        (
            "id", "last_event_id", "worker_id", "lease_ends_at", "life_started_at", "lease_steady_s",
            "beat_steady_s", "lease_machine", "lease_boot",
        )
    ),
    **{table: frozenset(("run_id", order)) for table, order in _ORDER.items() if order in ("seq", "id")},
    "traces": frozenset(("run_id",)),
}  # fmt: skip

DO = "Restore the store from a copy, or delete this run; `check-store` looks at all of them."


def damaged(run_id: str, tables: list[str]) -> StudioError:
    """What to say of a run whose content is not what was written."""
    return StudioError(f"Run {run_id} is damaged in its store: {', '.join(tables)} changed after it ended.", DO)


def digests(db: Database, run_id: str) -> dict[str, tuple[str, str]]:
    """(columns, digest) of every sealed table but the short ones that the end of a life changes: events, its row."""
    found = {}
    for table in _ORDER:
        if table == "events":
            continue
        columns = _columns(db, table)
        found[table] = (columns, _digest(db, table, columns, run_id))
    return found


def seal(db: Database, run_id: str, of: Mapping[str, tuple[str, str]]) -> None:
    """Store `digests` of the run, and those of its events and its row."""
    events = _columns(db, "events")
    for table, (columns, digest) in {**of, "events": (events, _digest(db, "events", events, run_id))}.items():
        _store(db, run_id, table, columns, digest)
    seal_row(db, run_id)


def seal_row(db: Database, run_id: str) -> None:
    """The run's row has changed, rightly."""
    columns = _columns(db, "runs")
    _store(db, run_id, "runs", columns, _digest(db, "runs", columns, run_id))


def reseal(db: Database, run_id: str, table: str) -> None:
    """A table of a sealed run has changed, rightly."""
    if db.execute("select 1 from seals where run_id = ? and name = ?", [run_id, table]).fetchone() is not None:
        columns = _columns(db, table)
        _store(db, run_id, table, columns, _digest(db, table, columns, run_id))


def unseal(db: Database, run_id: str) -> None:
    """A worker begins to write."""
    db.execute("delete from seals where run_id = ?", [run_id])


def is_sealed(db: Database, run_id: str) -> bool:
    """Whether a worker came to an end, so that all the content can be held against its seals."""
    return db.execute("select 1 from seals where run_id = ? and name = 'cells'", [run_id]).fetchone() is not None


def broken(db: Database, run_id: str) -> list[str]:
    """Tables whose rows of the run are not what was sealed; `runs` is its own row."""
    sealed = db.execute("select name, columns, digest from seals where run_id = ?", [run_id]).fetchall()
    return [table for table, columns, digest in sealed if not _holds(db, run_id, table, columns, digest)]


def broken_rows(db: Database, run_ids: list[str]) -> set[str]:
    """Those of the runs whose own row is not what was sealed."""
    if not run_ids:
        return set()
    marks = ", ".join("?" * len(run_ids))
    sealed = db.execute(
        f"select run_id, columns, digest from seals where name = 'runs' and run_id in ({marks})", run_ids
    ).fetchall()
    return {run_id for run_id, columns, digest in sealed if not _holds(db, run_id, "runs", columns, digest)}


def _holds(db: Database, run_id: str, table: str, columns: str, digest: str) -> bool:
    known = (
        {name for _, name, *_ in db.execute(f"pragma table_info({table})")} if table in (*_ORDER, "runs") else set()
    )
    # What a later studio has put elsewhere cannot be looked at any more.
    if not known.issuperset(columns.split(", ")):
        return True
    # Moves of a run that stands still (queued, stopped) are written behind the events that were sealed.
    sealed = digest.partition(":")[0]
    first = int(sealed) if table == "events" and sealed.isdecimal() else None
    return _digest(db, table, columns, run_id, first) == digest


def _columns(db: Database, table: str) -> str:
    names = [name for _, name, *_ in db.execute(f"pragma table_info({table})")]
    return ", ".join(name for name in names if name not in _NOT_SEALED.get(table, ("run_id",)))


def _digest(db: Database, table: str, columns: str, run_id: str, first: int | None = None) -> str:
    """How many rows there are, and a digest of their values in order; of the `first` so many, if given."""
    of_table = "where id = ?" if table == "runs" else f"where run_id = ? order by {_ORDER[table]}"
    found, rows = hashlib.blake2b(digest_size=16), 0
    most = "" if first is None else f" limit {first}"
    for row in db.execute(f"select {columns} from {table} {of_table}{most}", [run_id]):
        found.update(repr(row).encode("utf-8", "surrogatepass"))
        rows += 1
    return f"{rows}:{found.hexdigest()}"


def _store(db: Database, run_id: str, table: str, columns: str, digest: str) -> None:
    db.execute(
        "insert into seals (run_id, name, columns, digest) values (?, ?, ?, ?) on conflict (run_id, name) do update "
        "set columns = excluded.columns, digest = excluded.digest",
        [run_id, table, columns, digest],
    )
