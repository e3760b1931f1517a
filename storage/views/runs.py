"""Reading runs: summaries, documents, events, trials, spending. Nothing here scans cells."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import (
    CellKey,
    Event,
    EventKind,
    Json,
    Role,
    Split,
    Status,
    Trial,
    Tuning,
    Usage,
)
from mipro_studio.storage.clock import Clock, Lease, Moment, moment_of
from mipro_studio.storage.codec import from_json, from_text
from mipro_studio.storage.lifecycle import LEASE_COLUMNS, SEEN, run_missing
from mipro_studio.storage.pulse import felt
from mipro_studio.storage.reading import read_spent, read_trial_examples, read_trials, read_tunings
from mipro_studio.storage.rows import RunSummary, StoredEvent, TrialTimes
from mipro_studio.storage.seals import broken, broken_rows, damaged

__all__ = ["RunViews"]

_SUMMARY = (
    "select id, name, optimizer, seed, status, phase, phase_done, phase_total, phase_note, created_at, "
    "started_at, ended_at, updated_at, lives, wall_s, reason, error, trials_done, trials_planned, cells_ok, "
    "cells_error, baseline_val, best_val, baseline_test, best_test, n_val, last_event_id, origin, "
    f"worker_id, beat_at, beat_steady_s, {LEASE_COLUMNS} from runs"
)


class RunViews:
    """Base of `Reader`: what is known about runs. Ids are whole here; `find` takes beginnings."""

    path: Path
    _db: Database
    _clock: Clock

    def list_runs(self, limit: int = 100, offset: int = 0) -> list[RunSummary]:
        """Runs, newest first."""
        rows = self._db.execute(
            f"{_SUMMARY} where {SEEN} order by created_at desc, rowid desc limit ? offset ?", [limit, offset]
        )
        now = moment_of(self._clock)
        found = [_summary(row, now, self.path) for row in rows]
        damaged = broken_rows(self._db, [run.id for run in found])
        return [_damaged(run) if run.id in damaged else run for run in found]

    def count_runs(self) -> int:
        return int(self._db.execute(f"select count(*) from runs where {SEEN}").fetchone()[0])

    def find(self, beginning: str) -> str:
        """The id of the one run whose id is, or begins with, `beginning`.

        Raises:
            StudioError: no run, or more than one.
        """
        rows = self._db.execute(
            f"select id from runs where substr(id, 1, ?) = ? and {SEEN} order by id = ? desc, id limit 2",
            [len(beginning), beginning, beginning],
        ).fetchall()
        if not rows or not beginning:
            raise run_missing(beginning)
        if len(rows) > 1 and rows[0][0] != beginning:
            raise StudioError(f"More than one run begins with {beginning!r}.", "Give more of the id.")
        return str(rows[0][0])

    def run(self, run_id: str) -> RunSummary:
        """The run whose id is, or alone begins with, `run_id`.

        Raises:
            StudioError: no run, or more than one.
        """
        row = self._db.execute(f"{_SUMMARY} where id = ? and {SEEN}", [run_id]).fetchone()
        if row is None:
            row = self._db.execute(f"{_SUMMARY} where id = ? and {SEEN}", [self.find(run_id)]).fetchone()
        summary = _summary(row, moment_of(self._clock), self.path)
        return _damaged(summary) if broken_rows(self._db, [summary.id]) else summary

    def require_whole(self, run_id: str) -> None:
        """Hold all that the run holds against what its worker sealed; nothing where none did.

        Raises:
            StudioError: it is damaged.
        """
        tables = broken(self._db, run_id)
        if tables:
            raise damaged(run_id, tables)

    def worker_of(self, run_id: str) -> str | None:
        """The name of the worker that owns the run; None when no worker does, or the run is gone."""
        row = self._db.execute("select worker_id from runs where id = ?", [run_id]).fetchone()
        return None if row is None else row[0]

    def config(self, run_id: str) -> dict[str, Any]:
        return self._document(run_id, "config")

    def plan(self, run_id: str) -> dict[str, Any]:
        return self._document(run_id, "plan")

    def receipt(self, run_id: str) -> dict[str, Any]:
        return self._document(run_id, "receipt")

    def _document(self, run_id: str, name: str) -> dict[str, Any]:
        row = self._db.execute(f"select {name} from run_documents where run_id = ?", [run_id]).fetchone()
        if row is None:
            raise run_missing(run_id)
        return dict(from_json(row[0]))

    def events(self, run_id: str, after: int = 0, limit: int = 500) -> list[StoredEvent]:
        """(cursor, time, event) of a run's events, oldest first.

        Args:
            after: Those with a cursor above it; the last one's goes on from there.
            limit: At most so many.
        """
        rows = self._db.execute(
            "select id, at, kind, data from events where run_id = ? and id > ? order by id limit ?",
            [run_id, after, limit],
        )
        return [(cursor, at, Event(from_text(kind), from_json(data))) for cursor, at, kind, data in rows]

    def recent_events(self, run_id: str, limit: int, without: Sequence[str] = ()) -> list[StoredEvent]:
        """The latest events that are of none of the kinds `without`, oldest first."""
        others = f"and kind not in ({', '.join('?' * len(without))}) " if without else ""
        rows = self._db.execute(
            f"select id, at, kind, data from events where run_id = ? {others}order by id desc limit ?",
            [run_id, *without, limit],
        ).fetchall()
        return [(cursor, at, Event(from_text(kind), from_json(data))) for cursor, at, kind, data in reversed(rows)]

    def events_of(self, run_id: str, kind: str, limit: int = 500) -> list[StoredEvent]:
        """The latest events of one kind, oldest first."""
        rows = self._db.execute(
            "select id, at, kind, data from events where run_id = ? and kind = ? order by id desc limit ?",
            [run_id, kind, limit],
        ).fetchall()
        return [(cursor, at, Event(from_text(name), from_json(data))) for cursor, at, name, data in reversed(rows)]

    def given_up(self, run_id: str) -> bool:
        """Whether its last life stood still because (nearly) every program run failed: it may go on all the same."""
        return any(_given_up(event.data) for _, _, event in self.events_of(run_id, EventKind.ENDED, 1))

    def failed_before_mending(self, run_id: str) -> set[CellKey]:
        """Cells that had failed when a life failed or was given up: whoever resumed the run had mended something.

        Told by how many cells there were then, because a watch may be set meanwhile; of older studios by the watch.
        """
        ends = [
            (int(event.data.get("cells") or 0), at)
            for _, at, event in self.events_of(run_id, EventKind.ENDED)
            if event.data.get("status") == Status.FAILED or _given_up(event.data)
        ]
        rows = self._db.execute(
            "select candidate, split, example, rollout from cells where run_id = ? and error is not null "
            "and (seq <= ? or at <= ?)",
            [run_id, max((cells for cells, _ in ends), default=0), max((at for n, at in ends if not n), default="")],
        )
        return {CellKey(from_text(name), Split(split), from_text(row), rollout) for name, split, row, rollout in rows}

    def commands(self, run_id: str, *, pending: bool = False) -> list[Json]:
        """What people asked of the run, oldest first: {id, kind, payload, sent_at, handled_at}."""
        rows = self._db.execute(
            "select id, kind, payload, sent_at, handled_at from commands where run_id = ?"
            f"{' and handled_at is null' if pending else ''} order by id",
            [run_id],
        )
        names = ("id", "kind", "payload", "sent_at", "handled_at")
        return [
            dict(zip(names, (identity, from_text(kind), from_json(payload), *times), strict=True))
            for identity, kind, payload, *times in rows
        ]

    def obeying(self, run_id: str) -> set[str]:
        """Kinds of commands that the present life of a run was sent: `stop` and `pause` it may still be obeying.

        Counted by lives and not by times, because a watch may be set meanwhile.
        """
        rows = self._db.execute(
            "select distinct kind from commands join runs on runs.id = run_id "
            "where run_id = ? and kind in ('stop', 'pause') and (handled_at is null or life = lives)",
            [run_id],
        )
        return {kind for (kind,) in rows}

    def trials(self, run_id: str) -> list[Trial]:
        """Trials in the order they were asked for, with `examples` empty (`trial_examples` has them)."""
        return list(read_trials(self._db, run_id))

    def trial_examples(self, run_id: str, order: int) -> tuple[str, ...]:
        """The example ids of one trial.

        Raises:
            StudioError: there is no such trial.
        """
        row = self._db.execute(
            "select body from trial_examples where run_id = ? and trial_order = ?", [run_id, order]
        ).fetchone()
        if row is None:
            raise StudioError(f"Run {run_id} has no trial of order {order}.")
        return tuple(from_json(row[0]))

    def trials_with_examples(self, run_id: str) -> list[Trial]:
        """As `trials`, with their example ids."""
        examples = read_trial_examples(self._db, run_id)
        return [replace(trial, examples=examples[trial.order]) for trial in self.trials(run_id)]

    def trial_times(self, run_id: str) -> dict[int, TrialTimes]:
        """(asked_at, done_at) by the trial's order."""
        rows = self._db.execute(
            "select trial_order, asked_at, done_at from trials where run_id = ? order by seq", [run_id]
        )
        return {order: (asked_at, done_at) for order, asked_at, done_at in rows}

    def spent(self, run_id: str) -> dict[Role, Usage]:
        """What each role has spent so far."""
        return {spent.role: spent.usage for spent in read_spent(self._db, run_id)}

    def tunings(self, run_id: str) -> list[Tuning]:
        """Tunings of the task model's weights, by number."""
        return list(read_tunings(self._db, run_id))


def _given_up(ended: Json) -> bool:
    """Of an ENDED event; until now the reason alone told, of runs that ended as failed."""
    return bool(ended.get("given_up", "program runs failed" in str(ended.get("reason"))))


def _damaged(run: RunSummary) -> RunSummary:
    """A run whose row is not what was written: nothing in it can be believed but that it is there."""
    unknown = dict.fromkeys(("baseline_val", "best_val", "baseline_test", "best_test"))
    said = str(damaged(run.id, ["runs"]))
    return replace(run, status=Status.FAILED, reason=said, error=said, **unknown)  # type: ignore[arg-type]


def _summary(row: tuple[Any, ...], now: Moment, store: Path) -> RunSummary:
    *columns, worker_id, beat_at, beat_steady_s, ends_at, ends_steady_s, machine, boot = row
    summary = RunSummary(*columns)
    status = Status(summary.status)
    reason = from_text(summary.reason)
    wall_s = summary.wall_s
    if status is Status.RUNNING:
        waits = felt(store, summary.id, worker_id, now)
        reason = waits or reason
        if Lease(ends_at, ends_steady_s, machine, boot).is_over(now) and not waits:
            status, reason = Status.LOST, f"No sign of life from its worker since {beat_at}."
        elif beat_steady_s is not None and boot == now.boot:
            wall_s += max(0.0, now.steady_s - beat_steady_s)
    return replace(
        summary,
        name=from_text(summary.name),
        optimizer=from_text(summary.optimizer),
        status=status,
        phase_note=from_text(summary.phase_note),
        reason=reason,
        error=from_text(summary.error),
        origin=None if summary.origin is None else from_text(summary.origin),
        wall_s=wall_s,
    )
