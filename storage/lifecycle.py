"""A run's life: moves, leases and who may write. Every function runs inside the caller's transaction.

A run is alive while its worker renews a lease, not while a process id exists. The row holds the worker's id;
whoever writes for a run proves in the same transaction that the id is still there (fencing), so a worker that
was taken for dead and comes back changes nothing. A worker whose lease is over but whom nobody has replaced or
declared lost may go on: a laptop that slept is not a crash.
"""

from datetime import timedelta
from pathlib import Path

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import IllegalMove, LeaseLost, StudioError
from mipro_studio.optimizer_core.types import LEGAL_MOVES, Event, EventKind, Status
from mipro_studio.storage.clock import Lease, Moment
from mipro_studio.storage.codec import iso, to_text
from mipro_studio.storage.pulse import felt
from mipro_studio.storage.seals import seal_row, unseal
from mipro_studio.storage.writing import write_event

__all__ = [
    "claim_run",
    "mark_lost",
    "move_run",
    "overdue",
    "refuse_imported",
    "renew",
    "require_owner",
    "run_missing",
    "status_of",
]

SEEN = "id not in (select run_id from unfinished)"
"""Of a row of `runs`: it is whole. One that is being written or deleted (`in_pieces`) is shown to nobody."""

_OVER = (Status.STOPPED, Status.COMPLETED, Status.FAILED, Status.LOST)


def run_missing(run_id: str) -> StudioError:
    hint = "The list of runs shows their ids; the beginning of one is enough."
    return StudioError(f"There is no run {run_id!r} in this store.", hint)


def status_of(db: Database, run_id: str) -> Status:
    """The status as stored.

    Raises:
        StudioError: there is no such run.
    """
    row = db.execute(f"select status from runs where id = ? and {SEEN}", [run_id]).fetchone()
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


LEASE_COLUMNS = "lease_ends_at, lease_steady_s, lease_machine, lease_boot"
"""The columns of a `Lease`, in its order."""


def overdue(db: Database, store: Path, now: Moment) -> list[str]:
    """Ids of running runs whose lease is over, and whose worker does not say that it waits."""
    rows = db.execute(
        f"select id, worker_id, {LEASE_COLUMNS} from runs where status = ? order by id", [Status.RUNNING]
    )
    return [
        run_id
        for run_id, worker_id, *lease in rows.fetchall()
        if Lease(*lease).is_over(now) and not felt(store, run_id, worker_id, now)
    ]


def mark_lost(db: Database, store: Path, run_id: str, now: Moment) -> bool:
    """Move the run to LOST if its lease is over and its worker says nothing; whoever notices calls this.

    Returns:
        Whether it was moved. A run that is not running, or not there, is not.
    """
    row = db.execute(
        f"select beat_at, worker_id, {LEASE_COLUMNS} from runs where id = ? and status = ?", [run_id, Status.RUNNING]
    ).fetchone()
    if row is None or not Lease(*row[2:]).is_over(now) or felt(store, run_id, row[1], now):
        return False
    move_run(db, run_id, Status.LOST, now, reason=f"No sign of life from its worker since {row[0]}.")
    return True


def move_run(db: Database, run_id: str, to: Status, now: Moment, *, reason: str = "", error: str = "") -> None:
    """Change the status along `LEGAL_MOVES`, end the life of a run that was running, and record the event.

    Inside a transaction.

    Args:
        reason: A sentence for people.
        error: The details, where it failed.

    Raises:
        IllegalMove: the table has no such move.
        StudioError: there is no such run.
    """
    present = status_of(db, run_id)
    refuse_imported(db, run_id)
    if to not in LEGAL_MOVES[present]:
        raise IllegalMove(f"Run {run_id} is {_words(present)} and cannot become {_words(to)}.")
    at = iso(now.at)
    if present is Status.RUNNING:
        _end_life(db, run_id, to, now)
    db.execute(
        "update runs set status = ?, reason = ?, error = ?, ended_at = ?, updated_at = ? where id = ?",
        [to, to_text(reason), to_text(error), at if to in _OVER else None, at, run_id],
    )
    write_event(db, run_id, Event(EventKind.STATUS, {"from": present, "to": to, "reason": reason}), at)
    if to is Status.RUNNING:
        unseal(db, run_id)
    else:
        seal_row(db, run_id)


def _end_life(db: Database, run_id: str, to: Status, now: Moment) -> None:
    # Nobody knows when a lost worker died: its last beat is the last moment it surely lived, and counted then.
    if to is not Status.LOST:
        _count_time(db, run_id, now)
    db.execute(
        "update runs set worker_id = null, lease_ends_at = null, life_started_at = null, lease_steady_s = null, "
        "beat_steady_s = null, lease_machine = null, lease_boot = null where id = ?",
        [run_id],
    )


def _count_time(db: Database, run_id: str, now: Moment) -> None:
    """Add the seconds since the last beat, by the clock that nobody sets."""
    db.execute(
        "update runs set wall_s = wall_s + ? - beat_steady_s where id = ? and beat_steady_s < ?",
        [now.steady_s, run_id, now.steady_s],
    )


def renew(db: Database, run_id: str, lease_s: float, now: Moment) -> None:
    """A sign of life: count the time since the last one, and begin the lease anew."""
    _count_time(db, run_id, now)
    db.execute(
        "update runs set beat_at = ?, beat_steady_s = ?, lease_ends_at = ?, lease_steady_s = ?, "
        "lease_machine = ?, lease_boot = ? where id = ?",
        [
            iso(now.at),
            now.steady_s,
            iso(now.at + timedelta(seconds=lease_s)),
            now.steady_s + lease_s,
            now.machine,
            now.boot,
            run_id,
        ],
    )


def claim_run(db: Database, run_id: str, worker_id: str, lease_s: float, now: Moment) -> bool:
    """Begin a life of a queued run; False when it is not queued (any more). Inside a transaction.

    Args:
        worker_id: A name that no other life has.
        lease_s: Seconds without a sign of life after which the run counts as lost.

    Raises:
        StudioError: there is no such run.
    """
    if status_of(db, run_id) is not Status.QUEUED:
        return False
    move_run(db, run_id, Status.RUNNING, now)
    at = iso(now.at)
    db.execute(
        "update runs set worker_id = ?, life_started_at = ?, beat_steady_s = null, lives = lives + 1, "
        "started_at = coalesce(started_at, ?) where id = ?",
        [worker_id, at, at, run_id],
    )
    # What an earlier life was told holds no longer: whoever queued the run anew wanted it to go on.
    db.execute(
        "update commands set handled_at = ? where run_id = ? and handled_at is null and kind in ('stop', 'pause')",
        [at, run_id],
    )
    renew(db, run_id, lease_s, now)
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
