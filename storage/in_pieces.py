"""Writes that are too long for one transaction: a run that comes or goes, piece by piece.

Other workers commit between the pieces, so none of them waits for long. A run that comes or goes stands in the table
`unfinished`, and nobody sees it: it appears whole, and is gone at once. What a crash leaves half done is taken away
by whoever next brings or deletes a run.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage.clock import Lease, Moment
from mipro_studio.storage.codec import iso
from mipro_studio.storage.connection import immediate
from mipro_studio.storage.lifecycle import LEASE_COLUMNS
from mipro_studio.storage.paths import files_of, is_run_id, tunings_folder

__all__ = ["Passage", "abandoned", "pieces"]

PIECE_S = 0.1
"""Seconds that a piece should take."""
REST_AFTER_S = 0.03
"""Seconds that the lock was held, in one piece or several, after which others get their turn."""
GAP_S = 0.12
"""How long: who waits for the lock looks at least every 0.1 s."""
FIRST_ROWS = 500
LEASE_S = 60.0
"""Seconds without a piece after which nobody works on the run any more."""

Clock = Callable[[], Moment]
T = TypeVar("T")


class Passage:
    """The coming or going of one run, by whoever works on it.

    Args:
        clock: Gives the present.
    """

    def __init__(self, db: Database, path: Path, run_id: str, clock: Clock) -> None:
        self._db, self._path, self._run_id, self._clock = db, path, run_id, clock
        self._held_s = 0.0

    def begin(self) -> None:
        """Hide the run, inside the transaction that brings its row or decides that it goes."""
        self._db.execute(
            f"insert into unfinished (run_id, {LEASE_COLUMNS}) values (?, ?, ?, ?, ?)", [self._run_id, *self._lease()]
        )

    def piece(self, write: Callable[[], None]) -> float:
        """`write()` in a transaction of its own; seconds that it held the lock.

        Raises:
            StudioError: it took so long that somebody has cleaned up meanwhile.
        """
        if self._held_s > REST_AFTER_S and not self._db.conn.in_transaction:
            time.sleep(GAP_S)
            self._held_s = 0.0
        with immediate(self._db, self._path):
            began = time.monotonic()
            renewed = self._db.execute(
                "update unfinished set (lease_ends_at, lease_steady_s, lease_machine, lease_boot) = (?, ?, ?, ?) "
                "where run_id = ?",
                [*self._lease(), self._run_id],
            )
            if not renewed.rowcount:
                raise StudioError(f"Run {self._run_id} took too long to be written.", "Try it once more.")
            write()
        took = time.monotonic() - began
        self._held_s += took
        return took

    def end(self) -> None:
        """Show the run, inside a transaction."""
        self._db.execute("delete from unfinished where run_id = ?", [self._run_id])

    def remove(self) -> None:
        """Delete the run's rows piece by piece, then its files and itself."""
        for table, key in _keys(self._db):
            rows, deleted = FIRST_ROWS, FIRST_ROWS
            while deleted >= rows:
                delete = (
                    f"delete from {table} where ({key}) in (select {key} from {table} where run_id = ? limit {rows})"
                )
                found: list[int] = []
                took_s = self.piece(lambda found=found, sql=delete: found.append(self._delete(sql)))  # type: ignore[misc]
                (deleted,) = found
                if deleted >= rows:
                    rows = deleted = _next(rows, took_s)
        for file in files_of(self._path, self._run_id):
            file.unlink(missing_ok=True)
        if is_run_id(self._run_id):
            shutil.rmtree(tunings_folder(self._path, self._run_id), ignore_errors=True)
        self.piece(self._delete_run)

    def _delete(self, sql: str) -> int:
        return int(self._db.execute(sql, [self._run_id]).rowcount)

    def _delete_run(self) -> None:
        self._db.execute("delete from runs where id = ?", [self._run_id])

    def given_up(self) -> None:
        """Take away what there is, after a failure; what cannot be now is later."""
        with suppress(StudioError):
            self.remove()

    def _lease(self) -> tuple[str, float, str, str]:
        now = self._clock()
        return iso(now.at + timedelta(seconds=LEASE_S)), now.steady_s + LEASE_S, now.machine, now.boot


def _keys(db: Database) -> Iterator[tuple[str, str]]:
    """(table, its primary key) of the tables that hold rows of a run, `unfinished` apart."""
    tables = [name for (name,) in db.execute("select name from sqlite_master where type = 'table' order by name")]
    for table in tables:
        columns = db.execute(f"pragma table_info({table})").fetchall()
        refers = {row[2] for row in db.execute(f"pragma foreign_key_list({table})")}
        if "runs" in refers and table != "unfinished":
            yield table, ", ".join(name for _, name, _, _, _, place in columns if place)


def _next(rows: int, took_s: float) -> int:
    """How many rows the next piece should have."""
    return max(20, min(4 * rows, int(rows * PIECE_S / max(took_s, 0.001)), 50_000))


def pieces(passage: Passage, rows: Iterable[T], write: Callable[[list[T]], None]) -> None:
    """Write `rows` in pieces; what `rows` takes to be made is done outside of the transactions.

    Raises:
        StudioError: see `Passage.piece`.
    """
    size = FIRST_ROWS
    batch: list[T] = []
    for row in rows:
        batch.append(row)
        if len(batch) >= size:
            size = _next(size, passage.piece(lambda batch=batch: write(batch)))  # type: ignore[misc]
            batch = []
    if batch:
        passage.piece(lambda: write(batch))


def abandoned(db: Database, path: Path, clock: Clock, run_id: str | None = None) -> None:
    """Take away what is left of runs whose coming or going was broken off.

    Args:
        run_id: Of one that somebody is waiting for.

    Raises:
        StudioError: that one is coming or going just now.
    """
    rows = db.execute(f"select run_id, {LEASE_COLUMNS} from unfinished").fetchall()
    for left, *lease in rows:
        if Lease(*lease).is_over(clock()):
            Passage(db, path, left, clock).remove()
        elif left == run_id:
            raise StudioError(f"Run {left} is being written or deleted just now.", "Try again in a minute.")
