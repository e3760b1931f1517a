"""A run's life: moves, leases and who may write. Every function runs inside the caller's transaction.

A run is alive while its worker renews a lease, not while a process id exists. The row holds the worker's id;
whoever writes for a run proves in the same transaction that the id is still there (fencing), so a worker that
was taken for dead and comes back changes nothing. A worker whose lease is over but whom nobody has replaced or
declared lost may go on: a laptop that slept is not a crash.
"""

from datetime import datetime

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import IllegalMove, LeaseLost, StudioError
from mipro_studio.optimizer_core.types import LEGAL_MOVES, Event, Status
from mipro_studio.storage.codec import iso, to_text
from mipro_studio.storage.writing import write_event

__all__ = [
    "claim_run",
    "lease_end",
    "mark_lost",
    "move_run",
    "overdue",
    "refuse_imported",
    "require_owner",
    "run_missing",
    "status_of",
]

STATUS_EVENT = "status"

_OVER = (Status.STOPPED, Status.COMPLETED, Status.FAILED, Status.LOST)


def run_missing(run_id: str) -> StudioError:
    hint = "The list of runs shows their ids; the beginning of one is enough."
    return StudioError(f"There is no run {run_id!r} in this store.", hint)


def status_of(db: Database, run_id: str) -> Status:
    """The status as stored.

    Raises:
        StudioError: there is no such run.
    """
    row = db.execute("select status from runs where id = ?", [run_id]).fetchone()
    if row is None:
        raise run_missing(run_id)
    return Status(row[0])


def refuse_imported(db: Database, run_id: str) -> None:
    """A run that came from a replay file is only shown.

    Raises:
        IllegalMove: it did; whoever packed the file has its program, its models and its worker.
    """
    row = db.execute("select origin from runs where id = ?", [run_id]).fetchone()
    if row is not None and row[0] is not None:
        raise IllegalMove(f"Run {run_id} came from a replay file and is only shown.", "Start a new run instead.")


def lease_end(now: datetime, lease_s: float) -> str:
    return iso(datetime.fromtimestamp(now.timestamp() + lease_s, now.tzinfo))


def overdue(db: Database, now: datetime) -> list[str]:
    """Ids of running runs whose lease is over."""
    rows = db.execute(
        "select id from runs where status = ? and lease_ends_at < ? order by id", [Status.RUNNING, iso(now)]
    )
    return [row[0] for row in rows]


def mark_lost(db: Database, run_id: str, now: datetime) -> bool:
    """Move the run to LOST if it is running and its lease is over; whoever notices calls this."""
    row = db.execute(
        "select beat_at from runs where id = ? and status = ? and lease_ends_at < ?",
        [run_id, Status.RUNNING, iso(now)],
    ).fetchone()
    if row is None:
        return False
    move_run(db, run_id, Status.LOST, now, reason=f"No sign of life from its worker since {row[0]}.")
    return True


def move_run(db: Database, run_id: str, to: Status, now: datetime, *, reason: str = "", error: str = "") -> None:
    """Change the status along `LEGAL_MOVES`, end the life of a run that was running, and record the event.

    Raises:
        IllegalMove: the table has no such move.
        StudioError: there is no such run.
    """
    present = status_of(db, run_id)
    refuse_imported(db, run_id)
    if to not in LEGAL_MOVES[present]:
        raise IllegalMove(f"Run {run_id} is {_words(present)} and cannot become {_words(to)}.")
    at = iso(now)
    if present is Status.RUNNING:
        _end_life(db, run_id, to, at)
    db.execute(
        "update runs set status = ?, reason = ?, error = ?, ended_at = ?, updated_at = ? where id = ?",
        [to, to_text(reason), to_text(error), at if to in _OVER else None, at, run_id],
    )
    write_event(db, run_id, Event(STATUS_EVENT, {"from": present, "to": to, "reason": reason}), at)


def _end_life(db: Database, run_id: str, to: Status, at: str) -> None:
    # Nobody knows when a lost worker died: its last beat is the last moment it surely lived.
    started_at, beat_at = db.execute("select life_started_at, beat_at from runs where id = ?", [run_id]).fetchone()
    ended_at = beat_at if to is Status.LOST else at
    lived_s = (datetime.fromisoformat(ended_at) - datetime.fromisoformat(started_at)).total_seconds()
    db.execute(
        "update runs set wall_s = wall_s + ?, worker_id = null, lease_ends_at = null, "
        "life_started_at = null where id = ?",
        [max(0.0, lived_s), run_id],
    )


def claim_run(db: Database, run_id: str, worker_id: str, lease_s: float, now: datetime) -> bool:
    """Begin a life of a queued run; False when it is not queued (any more).

    Raises:
        StudioError: there is no such run.
    """
    if status_of(db, run_id) is not Status.QUEUED:
        return False
    move_run(db, run_id, Status.RUNNING, now)
    at = iso(now)
    db.execute(
        "update runs set worker_id = ?, lease_ends_at = ?, life_started_at = ?, beat_at = ?, "
        "lives = lives + 1, started_at = coalesce(started_at, ?) where id = ?",
        [worker_id, lease_end(now, lease_s), at, at, at, run_id],
    )
    return True


def require_owner(db: Database, run_id: str, worker_id: str) -> None:
    """Raises:
    LeaseLost: `worker_id` does not own the run, or the run is not running, or is gone.
    """
    row = db.execute("select status, worker_id from runs where id = ?", [run_id]).fetchone()
    if row is None:
        raise LeaseLost(f"Run {run_id} was deleted.")
    status, owner = row
    if status != Status.RUNNING:
        raise LeaseLost(f"Run {run_id} is {_words(Status(status))}, so this worker must stop writing.")
    if owner != worker_id:
        raise LeaseLost(f"Another worker has taken over run {run_id}.")


def _words(status: Status) -> str:
    return status.replace("_", " ")
