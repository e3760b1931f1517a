"""The writing side of the database: runs, their lives, and the commands that people send them."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, TypeVar

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import IllegalMove
from mipro_studio.optimizer_core.types import LEGAL_MOVES, Event, EventKind, Json, Record, Status
from mipro_studio.storage.beside.people import person
from mipro_studio.storage.clock import Clock, Moment, moment_of, present
from mipro_studio.storage.codec import from_json, from_text, iso, to_json, to_text
from mipro_studio.storage.connection import StoreUnavailable, immediate, open_writer
from mipro_studio.storage.in_pieces import Passage, abandoned, pieces
from mipro_studio.storage.lifecycle import (
    claim_run,
    mark_lost,
    move_run,
    overdue,
    refuse_imported,
    renew,
    require_owner,
    status_of,
)
from mipro_studio.storage.seals import digests, reseal, seal
from mipro_studio.storage.writing import write_event, write_records

__all__ = ["Command", "Patience", "Store"]

# Without the letters and digits that are mistaken for each other.
_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"


STOPPED_STANDING = "stopped by a person while it stood still"

IN_ONE_PIECE = 2000
"""Records of a run that is stored in one transaction."""

T = TypeVar("T")


class Patience(Protocol):
    """Waits for a store that cannot be written."""

    def wait(self, error: StoreUnavailable) -> None:
        """Return when it is time to try again, or raise."""

    def over(self) -> None:
        """It was written."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something a person asked of a run: `kind` is a short word (stop, pause, a `ChangeKind`)."""

    id: int
    kind: str
    payload: Json
    sent_at: str


class Store:
    """The database at `path`, opened for writing; created and migrated when needed.

    A store belongs to the thread that opened it (sqlite3 refuses others); opening takes about a millisecond,
    so every thread and every page run opens its own.

    Args:
        clock: For tests.
        patience: What waits while the file cannot be written; without it that is an error.
        busy_s: Seconds to wait for a lock before it is one; None = ten.

    Raises:
        StudioError: from every method, when the file cannot be opened, locked or written.
    """

    def __init__(
        self, path: Path, clock: Clock = present, *, patience: Patience | None = None, busy_s: float | None = None
    ) -> None:
        self.path = path
        self._clock = clock
        self._patience = patience
        self.db: Database = open_writer(path, busy_s)

    def close(self) -> None:
        self.db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def now(self) -> datetime:
        """UTC by the watch, for people."""
        return self.moment().at

    def moment(self) -> Moment:
        return moment_of(self._clock)

    def atomic(self) -> AbstractContextManager[Database]:
        """One transaction (BEGIN IMMEDIATE): all of it or nothing. Inside another it becomes part of that."""
        return immediate(self.db, self.path)

    def patiently(self, write: Callable[[], T]) -> T:
        """`write()`, a whole transaction, again and again while the store cannot be written, if there is patience.

        Raises:
            StoreUnavailable: it cannot be written, and patience has none or has come to an end.
        """
        while True:
            try:
                written = write()
            except StoreUnavailable as error:
                if self._patience is None:
                    raise
                self._patience.wait(error)
            else:
                if self._patience is not None:
                    self._patience.over()
                return written

    # Runs

    def create_run(  # noqa: PLR0913 - the columns of a run, all by name
        self,
        *,
        name: str,
        optimizer: str,
        seed: int,
        config: Json,
        plan: Json,
        receipt: Json,
        records: Sequence[Record] = (),
    ) -> str:
        """Store a QUEUED run with `records` (its examples, its seed arms) and return its id.

        Ids sort by the second of creation: `20261121-113015-k3f2`.
        """
        abandoned(self.db, self.path, self.moment)
        now = self.now()
        at = iso(now)
        with self.atomic() as db:
            run_id = self._free_id(db, now)
            db.execute(
                "insert into runs (id, name, optimizer, seed, status, created_at, updated_at, trials_planned) "
                "values (?, ?, ?, ?, ?, ?, ?, ?)",
                [run_id, to_text(name), to_text(optimizer), seed, Status.QUEUED, at, at, plan.get("trials")],
            )
            db.execute(
                "insert into run_documents (run_id, config, plan, receipt) values (?, ?, ?, ?)",
                [run_id, to_json(config), to_json(plan), to_json(receipt)],
            )
            self.sign(run_id, "created")
            if len(records) <= IN_ONE_PIECE:
                write_records(db, run_id, records, at)
                return run_id
            passage = Passage(db, self.path, run_id, self.moment)
            passage.begin()
        try:
            pieces(passage, records, lambda piece: write_records(self.db, run_id, piece, at))
            passage.piece(passage.end)
        except BaseException:
            passage.given_up()
            raise
        return run_id

    def _free_id(self, db: Database, now: datetime) -> str:
        while True:
            suffix = "".join(secrets.choice(_ALPHABET) for _ in range(4))
            run_id = f"{now:%Y%m%d-%H%M%S}-{suffix}"
            # Under the write lock, so nobody takes it in between.
            if db.execute("select 1 from runs where id = ?", [run_id]).fetchone() is None:
                return run_id

    def sign(self, run_id: str, did: str, about: str = "") -> None:
        """Keep who did something to a run, if anybody here has a name (`people.person`).

        Args:
            did: `created`, `resumed`, `ablated`, `note`, `note_removed`, or the kind of a command.
            about: The part of the run that it was done to.
        """
        if name := person(self.path):
            with self.atomic() as db:
                told = {"name": name, "did": did, "about": about}
                write_event(db, run_id, Event(EventKind.PERSON, told), iso(self.now()))

    def update_config(self, run_id: str, config: Json, plan: Json) -> None:
        """Replace what a run was asked to do, before it is queued again (more trials, a larger budget).

        Raises:
            IllegalMove: a worker is running on the present config.
        """
        with self.atomic() as db:
            mark_lost(db, self.path, run_id, self.moment())
            if status_of(db, run_id) is Status.RUNNING:
                raise IllegalMove(f"Run {run_id} is running, so its config stands.", "Pause or stop it first.")
            refuse_imported(db, run_id)
            db.execute(
                "update run_documents set config = ?, plan = ? where run_id = ?",
                [to_json(config), to_json(plan), run_id],
            )
            db.execute(
                "update runs set trials_planned = ?, updated_at = ? where id = ?",
                [plan.get("trials"), iso(self.now()), run_id],
            )
            reseal(db, run_id, "run_documents")
            reseal(db, run_id, "runs")

    def update_plan(self, run_id: str, worker_id: str, plan: Json) -> None:
        """Replace the plan of a run that its worker works on.

        Raises:
            LeaseLost: another worker has taken it over.
        """
        with self.atomic() as db:
            require_owner(db, run_id, worker_id)
            db.execute("update run_documents set plan = ? where run_id = ?", [to_json(plan), run_id])

    def delete_run(self, run_id: str) -> None:
        """Delete a run with all its rows, its log and its study.

        Raises:
            IllegalMove: it is running.
        """
        abandoned(self.db, self.path, self.moment)
        passage = Passage(self.db, self.path, run_id, self.moment)
        with self.atomic() as db:
            mark_lost(db, self.path, run_id, self.moment())
            if status_of(db, run_id) is Status.RUNNING:
                raise IllegalMove(f"Run {run_id} is running and cannot be deleted.", "Stop it first.")
            passage.begin()
        passage.remove()

    # Life

    def move(self, run_id: str, to: Status, reason: str = "", *, expect: Status | None = None) -> None:
        """Change a run's status along `LEGAL_MOVES`, and record the event, in one transaction.

        A run whose lease is over counts as LOST. RUNNING is reached by `claim` only: it takes a worker.

        Raises:
            IllegalMove: the present status does not allow it, or is not `expect`.
        """
        with self.atomic() as db:
            mark_lost(db, self.path, run_id, self.moment())
            present = status_of(db, run_id)
            if expect is not None and present is not expect:
                raise IllegalMove(f"Run {run_id} is {present}, not {expect}.", "Look at it again.")
            if to is Status.RUNNING:
                raise IllegalMove(f"Run {run_id} starts running when a worker claims it.", "Queue it instead.")
            move_run(db, run_id, to, self.moment(), reason=reason)

    def claim(self, run_id: str, worker_id: str, lease_s: float) -> bool:
        """Take a queued run for `worker_id`, a name used for one life only. One claimer gets True."""

        def write() -> bool:
            with self.atomic() as db:
                return claim_run(db, run_id, worker_id, lease_s, self.moment())

        return self.patiently(write)

    def beat(self, run_id: str, worker_id: str, lease_s: float) -> None:
        """Renew the lease.

        Raises:
            LeaseLost: another worker owns the run, or it is not running.
        """
        with self.atomic() as db:
            require_owner(db, run_id, worker_id)
            renew(db, run_id, lease_s, self.moment())

    def release(self, run_id: str, worker_id: str, to: Status, reason: str = "", error: str = "") -> None:
        """End the worker's life on the run: `reason` is a sentence for people, `error` the details.

        Raises:
            LeaseLost: another worker owns the run, or it is not running.
            IllegalMove: a running run cannot become `to`.
        """

        found = digests(self.db, run_id)  # outside of the transaction: nobody else writes to the run

        def write() -> None:
            with self.atomic() as db:
                require_owner(db, run_id, worker_id)
                move_run(db, run_id, to, self.moment(), reason=reason, error=error)
                seal(db, run_id, found)

        self.patiently(write)

    def sweep(self) -> list[str]:
        """Move every running run whose lease is over to LOST and return their ids."""
        moment = self.moment()
        if not overdue(self.db, self.path, moment):
            return []  # Without the write lock: every page may call this on every refresh.
        with self.atomic() as db:
            return [run_id for run_id in overdue(db, self.path, moment) if mark_lost(db, self.path, run_id, moment)]

    # Commands

    def command(self, run_id: str, kind: str) -> None:
        """Ask a working run to `stop` or `pause`; a stop ends one that stands still at once.

        Raises:
            StudioError: there is no such run.
            IllegalMove: it has ended, or stands still and is asked to pause.
        """
        with self.atomic() as db:  # else the run could end between the look and the command
            mark_lost(db, self.path, run_id, self.moment())
            found = status_of(db, run_id)
            if found is Status.RUNNING:
                self.send(run_id, kind)
            elif kind == "stop" and Status.STOPPED in LEGAL_MOVES[found]:
                move_run(db, run_id, Status.STOPPED, self.moment(), reason=STOPPED_STANDING)
                self.sign(run_id, kind)
            else:
                refuse_imported(db, run_id)
                raise _nothing_to(run_id, kind, found)

    def send(self, run_id: str, kind: str, payload: Mapping[str, Any] | None = None) -> int:
        """Leave a command for the run's worker and return its id.

        Raises:
            StudioError: there is no such run.
        """
        with self.atomic() as db:
            status_of(db, run_id)  # it is there
            refuse_imported(db, run_id)
            ((command_id,),) = db.execute(
                "insert into commands (run_id, kind, payload, sent_at, life) "
                "select id, ?, ?, ?, lives from runs where id = ? returning id",
                [to_text(kind), to_json(payload or {}), iso(self.now()), run_id],
            ).fetchall()
            self.sign(run_id, kind, str((payload or {}).get("predictor") or ""))
            return int(command_id)

    def pending_commands(self, run_id: str) -> list[Command]:
        """Commands that nobody has handled yet, oldest first."""
        return list(_commands(self.db, run_id))

    def withdraw(self, run_id: str, command_id: int) -> bool:
        """Take back a command that no worker has settled; False when one has."""
        with self.atomic() as db:
            cursor = db.execute(
                "delete from commands where id = ? and run_id = ? and handled_at is null", [command_id, run_id]
            )
            return bool(cursor.rowcount)

    def write_note(self, run_id: str, about: str, body: str) -> None:
        """Keep a person's words: `about` is `run`, or an arm as `instruction/PREDICTOR/3`. Empty words delete it.

        Raises:
            StudioError: there is no such run.
        """
        with self.atomic() as db:
            status_of(db, run_id)  # it is there
            self.sign(run_id, "note" if body.strip() else "note_removed", about)
            if not body.strip():
                db.execute("delete from notes where run_id = ? and about = ?", [run_id, to_text(about)])
                return
            db.execute(
                "insert into notes (run_id, about, body, at) values (?, ?, ?, ?) "
                "on conflict (run_id, about) do update set body = excluded.body, at = excluded.at",
                [run_id, to_text(about), to_text(body), iso(self.now())],
            )

    def mark_handled(self, ids: Sequence[int]) -> None:
        """Record that these commands were carried out (or refused) and need not be read again."""
        with self.atomic() as db:
            at = iso(self.now())
            for command_id in ids:
                db.execute("update commands set handled_at = ? where id = ? and handled_at is null", [at, command_id])


def _nothing_to(run_id: str, kind: str, found: Status) -> IllegalMove:
    if Status.STOPPED in LEGAL_MOVES[found]:
        waits = "it waits for its worker" if found is Status.QUEUED else "it stands still"
        return IllegalMove(f"Run {run_id} cannot {kind}: {waits}.", "Stop it, or let it go on.")
    return IllegalMove(f"Run {run_id} has ended already ({found.value}), so there is nothing to {kind}.")


def _commands(db: Database, run_id: str) -> Iterator[Command]:
    rows = db.execute(
        "select id, kind, payload, sent_at from commands where run_id = ? and handled_at is null order by id",
        [run_id],
    )
    for identity, kind, payload, sent_at in rows:
        yield Command(identity, from_text(kind), from_json(payload), sent_at)
