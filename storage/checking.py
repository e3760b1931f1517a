"""Looking a whole store over: structure, references, content, and the files beside it."""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage.codec import from_text
from mipro_studio.storage.damage import DAMAGES
from mipro_studio.storage.paths import is_run_id, study_path
from mipro_studio.storage.seals import broken, is_sealed
from mipro_studio.storage.team import team_address
from mipro_studio.storage.views.reader import Reader

__all__ = ["Finding", "check_store"]

MOST = 20
"""Findings of one kind that are listed; the rest would say the same."""
RESTORE = (
    "Restore the store from a copy; without one, pack the runs that are whole (`pack`) and open them in a new store."
)
DELETE = "Delete this run, or restore the store from a copy."
_WAL_HEADER, _FRAME_HEADER = 32, 24


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong and what to do, a sentence each. `harmless`: nothing that was measured is in doubt."""

    says: str
    do: str
    harmless: bool = False


def check_store(path: Path) -> list[Finding]:
    """All that is found in the store at `path` and beside it; empty when everything is as it was written.

    Reads only. Takes as long as reading the whole file, a second for some 50 MB.

    Raises:
        StudioError: there is no store, or it cannot be opened at all.
    """
    found = list(_log(path))  # first: opening the store may bring it up to date with its log
    with Reader(path) as reader:
        for part in (_structure, _references, _content):
            try:
                found += part(reader)
            except DAMAGES as error:
                found.append(Finding(f"The store cannot be read to its end ({error}).", RESTORE))
                return found
        found += _beside(reader)
    return found


def _structure(reader: Reader) -> Iterator[Finding]:
    if team_address(reader.path) is not None:  # its server looks after pages and references itself
        return
    said = [row[0] for row in reader.database.execute(f"pragma integrity_check({MOST})")]
    if said != ["ok"]:
        yield Finding(f"The file's structure is damaged: {'; '.join(said)[:300]}.", RESTORE)


def _rows(count: int, table: str) -> str:
    return f"{count} row of {table} belongs" if count == 1 else f"{count} rows of {table} belong"


def _references(reader: Reader) -> Iterator[Finding]:
    db = reader.database
    lost: dict[str, int] = {}
    for table, *_ in db.execute("pragma foreign_key_check") if team_address(reader.path) is None else ():
        lost[table] = lost.get(table, 0) + 1
    for table, count in lost.items():
        yield Finding(f"{_rows(count, table)} to a run that is not there.", RESTORE)
    for left in db.execute("select run_id from unfinished").fetchall():
        yield Finding(
            f"Run {left[0]} was being written or deleted when that was broken off.",
            "Nothing: it is shown nowhere, and taken away when the next run is created or deleted.",
            harmless=True,
        )


def _content(reader: Reader) -> Iterator[Finding]:
    db = reader.database
    for run_id, status in db.execute("select id, status from runs order by id").fetchall():
        if not is_run_id(run_id):
            yield Finding(f"A run is called {from_text(run_id)[:80]!r}, which no studio would.", "Delete that run.")
            continue
        try:
            tables = broken(db, run_id)
            if tables:
                yield Finding(f"Run {run_id}: {', '.join(tables)} changed after it ended.", DELETE)
                continue
            _read_all(reader, run_id)
            yield from _counters(db, run_id)
        except (StudioError, *DAMAGES) as error:
            yield Finding(f"Run {run_id} cannot be read to its end: {str(error)[:200]}", DELETE)
            continue
        if not is_sealed(db, run_id) and status not in ("queued", "running"):
            yield Finding(
                f"Run {run_id} has no digests, because an older studio ended it or its worker died: its counts and "
                "references were looked at, its values were not.",
                "Nothing; resumed, it gets them when it ends.",
                harmless=True,
            )


def _read_all(reader: Reader, run_id: str) -> None:
    """Every record becomes what it was."""
    from mipro_studio.storage.reading import read_cells  # the views leave traces out

    for _ in read_cells(reader.database, run_id):
        pass
    for read in (reader.config, reader.plan, reader.receipt, reader.outcome, reader.examples, reader.instructions,
                 reader.demo_sets, reader.prompt_calls, reader.trials_with_examples, reader.commands, reader.changes,
                 reader.notes, reader.spending, reader.tunings):  # fmt: skip
        read(run_id)
    reader.events(run_id, limit=10**9)


def _counters(db: Database, run_id: str) -> Iterator[Finding]:
    """The counters on the run's row against what they count."""
    counted = db.execute(
        "select cells_ok, cells_error, n_val, last_event_id, (select count(score) from cells where run_id = id), "
        "(select count(error) from cells where run_id = id), "
        "(select count(*) from examples where run_id = runs.id and split = 'val'), "
        "coalesce((select max(id) from events where run_id = runs.id), 0) from runs where id = ?",
        [run_id],
    ).fetchone()
    if counted[:4] != counted[4:]:
        yield Finding(f"Run {run_id}: its counts of cells, examples or events are not those of its rows.", DELETE)


def _beside(reader: Reader) -> Iterator[Finding]:
    for (run_id,) in reader.database.execute("select id from runs order by id").fetchall():
        study = study_path(reader.path, run_id) if is_run_id(run_id) else None
        if study is not None and study.exists() and not _is_sound(study):
            yield Finding(
                f"The Optuna study {study} of run {run_id} is damaged.",
                "Delete the file: it is a copy of the run's trials, made anew when the run goes on.",
                harmless=True,
            )


def _is_sound(file: Path) -> bool:
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as conn:
            return [row[0] for row in conn.execute("pragma integrity_check(1)")] == ["ok"]
    except sqlite3.DatabaseError:
        return False


def _log(path: Path) -> Iterator[Finding]:
    """Commits in the write-ahead log that SQLite passes over in silence, because a frame before them is damaged."""
    wal = path.with_name(path.name + "-wal")
    try:
        content = wal.read_bytes()
    except FileNotFoundError:
        return
    lost = frames_lost(content)
    if lost:
        yield Finding(
            f"The write-ahead log {wal.name} is damaged: the last {lost} pages written are not read any more.",
            "Restore the store with its log from a copy; else the latest commits are gone, and runs go on without.",
        )


def frames_lost(content: bytes) -> int:
    """Frames of a write-ahead log that belong to it and stand at or behind the first one that is damaged."""
    if len(content) < _WAL_HEADER:
        return 0
    magic, _, page_size, _, salt1, salt2 = struct.unpack(">6I", content[:24])
    if magic & ~1 != 0x377F0682 or page_size < 512 or page_size & (page_size - 1):
        return max(0, (len(content) - _WAL_HEADER) // (_FRAME_HEADER + 4096))
    order = ">" if magic & 1 else "<"
    sums = _checksum(content[:24], (0, 0), order)
    size = _FRAME_HEADER + page_size
    frames = [content[at : at + size] for at in range(_WAL_HEADER, len(content) - size + 1, size)]
    # A log that begins anew changes both salts; only damage changes one of them.
    ours = [
        salt1 == first or salt2 == second for first, second in (struct.unpack(">2I", one[8:16]) for one in frames)
    ]
    if sums != struct.unpack(">2I", content[24:32]):
        return len(frames)
    for n, frame in enumerate(frames):
        sums = _checksum(frame[:8] + frame[_FRAME_HEADER:], sums, order)
        if sums != struct.unpack(">2I", frame[16:24]) or frame[8:16] != content[16:24]:
            behind = [one for one, is_ours in zip(frames[n:], ours[n:], strict=True) if is_ours]
            # What was rolled back may be left there, but no commit of it.
            return len(behind) if any(one[4:8] != bytes(4) for one in behind) else 0
    return 0


def _checksum(data: bytes, sums: tuple[int, int], order: str) -> tuple[int, int]:
    """SQLite's, see its file format, section 4.2."""
    s0, s1 = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for first, second in zip(words[::2], words[1::2], strict=True):
        s0 = (s0 + first + s1) & 0xFFFFFFFF
        s1 = (s1 + second + s0) & 0xFFFFFFFF
    return s0, s1
