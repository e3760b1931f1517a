"""Records into rows, inside a transaction that the caller has opened.

`write_records` keeps the counters of the run's row true in the same transaction.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter

from sqlite_utils import Database

from mipro_studio.optimizer_core.types import (
    Arm,
    Cell,
    Event,
    EventKind,
    Example,
    Json,
    Outcome,
    PromptCall,
    Record,
    Settled,
    Spent,
    Split,
    Trial,
    TrialKind,
    Tuning,
    Usage,
)
from mipro_studio.storage.codec import USAGE, to_json, to_text

__all__ = ["write_event", "write_records"]


def write_records(db: Database, run_id: str, records: Sequence[Record], at: str) -> None:
    """Write `records` in their order and bring the run's counters up to date. Inside a transaction.

    Args:
        at: The time, ISO 8601 in UTC.

    Raises:
        TypeError: a record holds something that is not JSON.
    """
    for record in records:
        _write(db, run_id, record, at)
    if any(isinstance(record, Trial) for record in records):
        _count_trials(db, run_id)
    for record in records:
        if isinstance(record, Outcome):
            _show_outcome(db, run_id, record)
    db.execute("update runs set updated_at = ? where id = ?", [at, run_id])


def _write(db: Database, run_id: str, record: Record, at: str) -> None:
    match record:
        case Cell():
            _cell(db, run_id, record, at)
        case Event():
            write_event(db, run_id, record, at)
        case Trial():
            _trial(db, run_id, record, at)
        case Spent():
            _spent(db, run_id, record)
        case Tuning():
            _tuning(db, run_id, record)
        case Example():
            _example(db, run_id, record)
        case Arm():
            _arm(db, run_id, record)
        case PromptCall():
            _prompt_call(db, run_id, record)
        case Outcome():
            _outcome(db, run_id, record)
        case Settled():
            _settled(db, run_id, record, at)


def write_event(db: Database, run_id: str, event: Event, at: str) -> None:
    """Append `event`, or only move the phase columns when it is progress."""
    if event.kind in (EventKind.PHASE, EventKind.PROGRESS):
        _phase(db, run_id, event)
    if event.kind == EventKind.PROGRESS:
        return
    ((event_id,),) = db.execute(
        "insert into events (run_id, at, kind, data) values (?, ?, ?, ?) returning id",
        [run_id, at, to_text(event.kind), to_json(event.data)],
    ).fetchall()
    db.execute("update runs set last_event_id = ? where id = ?", [event_id, run_id])


def _phase(db: Database, run_id: str, event: Event) -> None:
    data = event.data
    if event.kind == EventKind.PHASE:
        data = {"phase": "", "done": 0, "total": 0, "note": "", **data}
    note = data.get("note")
    db.execute(
        "update runs set phase = coalesce(?, phase), phase_done = coalesce(?, phase_done), "
        "phase_total = coalesce(?, phase_total), phase_note = coalesce(?, phase_note) where id = ?",
        [
            data.get("phase"),
            data.get("done"),
            data.get("total"),
            None if note is None else to_text(note),
            run_id,
        ],
    )


_usage: Callable[[Usage], tuple[object, ...]] = attrgetter(*USAGE)
"""What was spent, in the order of its columns."""


def _example(db: Database, run_id: str, example: Example) -> None:
    is_new = db.execute(
        "select 1 from examples where run_id = ? and split = ? and id = ?",
        [run_id, example.split, to_text(example.id)],
    ).fetchone()
    db.execute(
        "insert into examples (run_id, split, id, position, body) values (?, ?, ?, ?, ?) "
        "on conflict (run_id, split, id) do update set position = excluded.position, body = excluded.body",
        [
            run_id,
            example.split,
            to_text(example.id),
            example.position,
            to_json([example.inputs, example.labels]),
        ],
    )
    if is_new is None and example.split is Split.VAL:
        db.execute("update runs set n_val = n_val + 1 where id = ?", [run_id])


def _arm(db: Database, run_id: str, arm: Arm) -> None:
    db.execute(
        "insert into arms (run_id, owner, kind, arm, content, author, active, reason, provenance) "
        "values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (run_id, owner, kind, arm) do update set "
        "content = excluded.content, author = excluded.author, active = excluded.active, "
        "reason = excluded.reason, provenance = excluded.provenance",
        [
            run_id,
            to_text(arm.owner),
            to_text(arm.kind),
            arm.index,
            to_json(arm.content),
            arm.author,
            arm.active,
            to_text(arm.reason),
            to_json(arm.provenance),
        ],
    )


def _settled(db: Database, run_id: str, settled: Settled, at: str) -> None:
    db.execute(
        "update commands set handled_at = ?, settled = ? where id = ? and run_id = ?",
        [at, to_json([settled.order, settled.arms, settled.refused]), settled.change, run_id],
    )


def _prompt_call(db: Database, run_id: str, call: PromptCall) -> None:
    body = [call.request, call.reply, call.outputs, _usage(call.usage), call.temperature, call.error]
    db.execute(
        "insert into prompt_calls (run_id, key, body) values (?, ?, ?) "
        "on conflict (run_id, key) do update set body = excluded.body",
        [run_id, to_text(call.key), to_json(body)],
    )


def _spent(db: Database, run_id: str, spent: Spent) -> None:
    db.execute(
        f"insert into burns (run_id, role, {', '.join(USAGE)}) values (?, ?, {', '.join('?' * len(USAGE))}) "
        f"on conflict (run_id, role) do update set {', '.join(f'{name} = excluded.{name}' for name in USAGE)}",
        [run_id, spent.role, *_usage(spent.usage)],
    )


def _tuning(db: Database, run_id: str, tuning: Tuning) -> None:
    db.execute(
        "insert into tunings (run_id, number, state, job, program, facts) values (?, ?, ?, ?, ?, ?) "
        "on conflict (run_id, number) do update set state = excluded.state, job = excluded.job, "
        "program = excluded.program, facts = excluded.facts",
        [run_id, tuning.number, tuning.state, tuning.job, to_text(tuning.program), to_json(tuning.facts)],
    )
    db.execute(
        "insert into tuning_rows (run_id, number, body) values (?, ?, ?) "
        "on conflict (run_id, number) do update set body = excluded.body where tuning_rows.body <> excluded.body",
        [run_id, tuning.number, to_json(tuning.rows)],
    )


_MEASURED = ("score", "error", "error_message", *USAGE, "seconds_s", "at")


def _cell(db: Database, run_id: str, cell: Cell, at: str) -> None:
    key = [run_id, cell.key.split, to_text(cell.key.candidate), to_text(cell.key.example), cell.key.rollout]
    old = db.execute(
        "select seq, error from cells "
        "where run_id = ? and split = ? and candidate = ? and example = ? and rollout = ?",
        key,
    ).fetchone()
    if old is not None and old[1] is None:
        return  # A score stands: it was acted upon.
    failed = cell.error is not None
    seq = db.execute(
        "update runs set last_cell_seq = last_cell_seq + ?, cells_ok = cells_ok + ?, "
        "cells_error = cells_error + ? where id = ? returning last_cell_seq",
        [old is None, not failed, int(failed) - int(old is not None), run_id],
    ).fetchall()[0][0]
    seq = seq if old is None else old[0]
    db.execute(
        f"insert into cells (run_id, split, candidate, example, rollout, seq, {', '.join(_MEASURED)}) "
        f"values ({', '.join('?' * (6 + len(_MEASURED)))}) on conflict (run_id, split, candidate, example, rollout) "
        f"do update set {', '.join(f'{name} = excluded.{name}' for name in _MEASURED)}",
        [
            *key,
            seq,
            cell.score,
            cell.error,
            to_text(cell.error_message),
            *_usage(cell.usage),
            cell.seconds_s,
            at,
        ],
    )
    steps = [[step.predictor, step.inputs, step.outputs, step.feedback] for step in cell.trace]
    shares = {name: _usage(usage) for name, usage in cell.by_predictor.items()}
    db.execute(
        "insert into traces (run_id, seq, body) values (?, ?, ?) "
        "on conflict (run_id, seq) do update set body = excluded.body",
        [run_id, seq, to_json([cell.prediction, steps, cell.feedback, list(cell.frames), shares])],
    )


def _trial(db: Database, run_id: str, trial: Trial, at: str) -> None:
    db.execute(
        "insert into trials (run_id, trial_order, number, kind, candidate, done, mean, n_ok, n_error, "
        "program_runs, known, objective, asked_at, done_at) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
        "on conflict (run_id, trial_order) do update set number = excluded.number, kind = excluded.kind, "
        "candidate = excluded.candidate, done = excluded.done, mean = excluded.mean, n_ok = excluded.n_ok, "
        "n_error = excluded.n_error, program_runs = excluded.program_runs, known = excluded.known, "
        "objective = excluded.objective, "
        "done_at = case when excluded.done = 1 then coalesce(trials.done_at, excluded.done_at) end",
        [
            run_id,
            trial.order,
            trial.number,
            trial.kind,
            to_text(trial.candidate),
            trial.done,
            trial.mean,
            trial.n_ok,
            trial.n_error,
            trial.program_runs,
            trial.known,
            trial.objective,
            at,
            at if trial.done else None,
        ],
    )
    db.execute(
        "insert into trial_examples (run_id, trial_order, body) values (?, ?, ?) "
        "on conflict (run_id, trial_order) do update set body = excluded.body "
        "where trial_examples.body <> excluded.body",
        [run_id, trial.order, to_json(trial.examples)],
    )


def _count_trials(db: Database, run_id: str) -> None:
    # By number: a full evaluation that shares the number of a suggestion is not a second trial, and the
    # baseline (number 0) is none. Counted anew because a retried trial may change its mean.
    db.execute(
        "update runs set (trials_planned, trials_done, baseline_val, best_val) = ("
        # What a person adds is tried beside the plan.
        "  select case when trials_planned < max(number) then max(number) else trials_planned end,"
        "    count(distinct case when done = 1 and number > 0 then number end),"
        "    max(case when done = 1 and kind = ? then mean end),"
        # The score of the one that is best by what the search maximizes.
        "    (select mean from trials as best where best.run_id = ? and done = 1 and kind in (?, ?)"
        "     order by coalesce(objective, mean) desc nulls last limit 1)"
        "  from trials where run_id = ?"
        ") where id = ?",
        [TrialKind.BASELINE, run_id, TrialKind.BASELINE, TrialKind.FULL, run_id, run_id],
    )


def _mean(estimate: Json | None) -> object:
    return None if estimate is None else estimate.get("mean")


def _outcome(db: Database, run_id: str, outcome: Outcome) -> None:
    body = {name: getattr(outcome, name) for name in Outcome.__dataclass_fields__}
    db.execute(
        "insert into outcomes (run_id, body) values (?, ?) on conflict (run_id) do update set body = excluded.body",
        [run_id, to_json(body)],
    )


def _show_outcome(db: Database, run_id: str, outcome: Outcome) -> None:
    # After the trials were counted: the winner's evidence, not the highest mean, is the run's result. Trials
    # that are added to a finished run count anew until its next outcome.
    db.execute(
        "update runs set baseline_val = coalesce(?, baseline_val), best_val = coalesce(?, best_val), "
        "baseline_test = ?, best_test = ? where id = ?",
        [
            _mean(outcome.baseline_val),
            _mean(outcome.best_val),
            _mean(outcome.baseline_test),
            _mean(outcome.best_test),
            run_id,
        ],
    )
