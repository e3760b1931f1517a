"""Rows into records: the inverse of `writing`, for the journal and for the views."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from sqlite_utils import Database

from mipro_studio.optimizer_core.types import (
    Arm,
    Author,
    Cell,
    CellKey,
    Change,
    ChangeKind,
    ErrorClass,
    Example,
    Outcome,
    PromptCall,
    Role,
    Spent,
    Split,
    TraceStep,
    Trial,
    TrialKind,
    Tuning,
    TuningState,
    Usage,
)
from mipro_studio.storage.codec import USAGE, from_json, from_text, to_text

__all__ = [
    "read_arms",
    "read_cells",
    "read_changes",
    "read_examples",
    "read_outcome",
    "read_prompt_calls",
    "read_spent",
    "read_trial_examples",
    "read_trials",
    "read_tunings",
]

Row = tuple[Any, ...]


def read_examples(db: Database, run_id: str, *, split: Split | None = None) -> Iterator[Example]:
    """The rows of a run, in the order in which they were stored.

    Args:
        split: These alone; None = all.
    """
    where, values = ("", [run_id]) if split is None else (" and split = ?", [run_id, split])
    rows = db.execute(f"select id, split, position, body from examples where run_id = ?{where} order by seq", values)
    for identity, part, position, body in rows:
        inputs, labels = from_json(body)
        yield Example(from_text(identity), Split(part), position, inputs, labels)


def read_arms(db: Database, run_id: str, *, kind: str | None = None) -> Iterator[Arm]:
    """In the order first written; `kind` narrows them."""
    where, values = ("", [run_id]) if kind is None else (" and kind = ?", [run_id, to_text(kind)])
    rows = db.execute(
        "select owner, kind, arm, content, author, provenance, active, reason from arms "
        f"where run_id = ?{where} order by seq",
        values,
    )
    for row in rows:
        yield _arm(*row)


# By all that the row holds, so that what has changed is another arm. Nobody changes what an arm holds.
@lru_cache(maxsize=1024)
def _arm(
    owner: str, kind: str, index: int, content: str | bytes, author: str, provenance: str | bytes, *rest: Any
) -> Arm:
    active, reason = rest
    return Arm(
        from_text(owner),
        from_text(kind),
        index,
        from_json(content),
        Author(author),
        from_json(provenance),
        bool(active),
        from_text(reason),
    )


_CELLS = (
    "select c.candidate, c.split, c.example, c.rollout, c.score, c.error, c.error_message, "
    f"{', '.join(f'c.{name}' for name in USAGE)}, c.seconds_s, t.body "
    "from cells c join traces t on t.run_id = c.run_id and t.seq = c.seq where c.run_id = ?"
)


def read_cells(db: Database, run_id: str, *, where: str = "", values: Sequence[object] = ()) -> Iterator[Cell]:
    """Whole cells in the order first written, predictions and traces included.

    Args:
        where: Narrows them: SQL beginning with " and", over the columns of `c`, the table of cells.
        values: Of its placeholders.
    """
    for row in db.execute(f"{_CELLS}{where} order by c.seq", [run_id, *values]):
        yield _cell(row)


def _cell(row: Row) -> Cell:
    candidate, split, example, rollout, score, error, message, *spent, seconds_s, body = row
    prediction, steps, *more = from_json(body)
    return Cell(
        key=CellKey(from_text(candidate), Split(split), from_text(example), rollout),
        score=score,
        error=None if error is None else ErrorClass(error),
        error_message=from_text(message),
        usage=Usage(*spent),
        seconds_s=seconds_s,
        # Until November the metric's words stood among the prediction's fields.
        feedback=more[0] if more else prediction.pop("metric_feedback", ""),
        prediction=prediction,
        trace=tuple(TraceStep(*step) for step in steps),
        frames=tuple(more[1]) if len(more) > 1 else (),
        by_predictor={name: Usage(*share) for name, share in more[2].items()} if len(more) > 2 else {},
    )


def read_trials(db: Database, run_id: str) -> Iterator[Trial]:
    """Trials without their example ids, which `read_trial_examples` has."""
    rows = db.execute(
        "select trial_order, number, kind, candidate, done, mean, n_ok, n_error, program_runs, known, objective "
        "from trials where run_id = ? order by seq",
        [run_id],
    )
    for row in rows:
        yield _trial(*row)


# A page that is drawn anew reads the same thousand trials each time.
@lru_cache(maxsize=16_384)
def _trial(order: int, number: int, kind: str, candidate: str, done: int, *rest: Any) -> Trial:
    return Trial(order, number, TrialKind(kind), from_text(candidate), (), bool(done), *rest)


def read_trial_examples(db: Database, run_id: str) -> dict[int, tuple[str, ...]]:
    """The example ids of every trial, by its order."""
    rows = db.execute("select trial_order, body from trial_examples where run_id = ?", [run_id])
    return {order: tuple(from_json(body)) for order, body in rows}


def read_prompt_calls(db: Database, run_id: str, *, key: str | None = None) -> Iterator[PromptCall]:
    """Calls of the prompt model, in the order first made.

    Args:
        key: That call alone; None = all.
    """
    where, values = ("", [run_id]) if key is None else (" and key = ?", [run_id, to_text(key)])
    rows = db.execute(f"select key, body from prompt_calls where run_id = ?{where} order by seq", values)
    for key, body in rows:
        request, reply, outputs, usage, temperature, error = from_json(body)
        yield PromptCall(from_text(key), tuple(request), reply, outputs, Usage(*usage), temperature, error)


def read_spent(db: Database, run_id: str) -> Iterator[Spent]:
    rows = db.execute(f"select role, {', '.join(USAGE)} from burns where run_id = ? order by seq", [run_id])
    for role, *spent in rows:
        yield Spent(Role(role), Usage(*spent))


def read_tunings(db: Database, run_id: str) -> Iterator[Tuning]:
    """The tunings of a run's weights, by number."""
    rows = db.execute(
        "select t.number, t.state, t.job, t.program, r.body, t.facts from tunings t "
        "join tuning_rows r on r.run_id = t.run_id and r.number = t.number where t.run_id = ? order by t.number",
        [run_id],
    )
    for number, state, job, program, body, facts in rows:
        yield Tuning(number, TuningState(state), job, from_text(program), tuple(from_json(body)), from_json(facts))


def read_changes(db: Database, run_id: str) -> Iterator[Change]:
    """A person's changes that wait, oldest first."""
    kinds = [*ChangeKind]
    rows = db.execute(
        "select id, kind, payload from commands where run_id = ? and handled_at is null "
        f"and kind in ({', '.join('?' * len(kinds))}) order by id",
        [run_id, *kinds],
    )
    for identity, kind, payload in rows:
        yield Change(identity, ChangeKind(kind), from_json(payload))


def read_outcome(db: Database, run_id: str) -> Outcome | None:
    """What the run came to, as far as it is known; None before its search has ended."""
    row = db.execute("select body from outcomes where run_id = ?", [run_id]).fetchone()
    if row is None:
        return None
    body = from_json(row[0])
    return Outcome(**{**body, "importance": tuple(body["importance"]), "steps": tuple(body.get("steps", ()))})
