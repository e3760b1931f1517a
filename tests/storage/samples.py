"""One record of every kind, and a clock that tests turn by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import (
    TEACHER,
    Author,
    Cell,
    CellKey,
    Demo,
    ErrorClass,
    Event,
    Example,
    Outcome,
    PromptCall,
    Record,
    Role,
    Spent,
    Split,
    Status,
    TraceStep,
    Trial,
    TrialKind,
    Tuning,
    TuningState,
    Usage,
)
from mipro_studio.storage import SqliteJournal, Store

WORKER = "worker-1"
LEASE_S = 30.0


def whose_rows(store: Store) -> dict[str, set[str]]:
    """Whose rows each table holds."""
    tables = store.db.execute("select name from sqlite_master where type = 'table' order by name").fetchall()
    keys = {
        name: "id" if name == "runs" else "run_id"
        for (name,) in tables
        if not name.startswith(("sqlite_", "_sqlite", "studio_"))
    }
    return {name: {row[0] for row in store.db.execute(f"select {key} from {name}")} for name, key in keys.items()}


class HandClock:
    """A clock that stands still until it is turned."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 21, 11, 30, 15, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def turn(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


def example(name: str, split: Split = Split.VAL, position: int = 0) -> Example:
    return Example(name, split, position, {"question": name}, {"answer": "yes"})


def cell(name: str, score: float | None = 0.5, candidate: str = "i0d0", split: Split = Split.VAL) -> Cell:
    return Cell(
        key=CellKey(candidate, split, name),
        score=score,
        error=None if score is not None else ErrorClass.PARSE,
        error_message="" if score is not None else "no field 'answer'",
        usage=Usage(1, 0, 120, 8, None, 0.25),
        seconds_s=0.5,
        prediction={"answer": "yes"},
        trace=(TraceStep("answer", {"question": name}, {"answer": "yes"}),),
    )


def trial(order: int, kind: TrialKind = TrialKind.MINIBATCH, mean: float | None = None, **kwargs: object) -> Trial:
    fields = {"number": order, "candidate": "i0d0", "examples": ("e1", "e2"), "done": mean is not None}
    return Trial(order=order, kind=kind, mean=mean, **{**fields, **kwargs})  # type: ignore[arg-type]


OUTCOME = Outcome(
    winner="i1d1",
    reason="best full evaluation",
    baseline_val={"mean": 0.25, "low": 0.1, "high": 0.4, "level": 0.95, "n": 4, "n_error": 0},
    best_val={"mean": 0.75, "low": 0.5, "high": 0.9, "level": 0.95, "n": 4, "n_error": 0},
    baseline_test={"mean": 0.3},
    best_test={"mean": 0.7},
    importance=({"name": "answer: instruction", "share": 0.8},),
)

SAMPLES: tuple[Record, ...] = (
    example("e1"),
    example("e2", position=1),
    example("t1", Split.TRAIN),
    instruction_arm("answer", 0, "Answer.", Author.SEED),
    replace(
        instruction_arm("answer", 1, "Think, then answer.", Author.MODEL, {"tip": "creative"}),
        active=False,
        reason="duplicate",
    ),
    demos_arm("answer", 0, "zero_shot", ()),
    demos_arm("answer", 1, "shuffled", (Demo({"question": "q", "answer": "a"}, True, "t1"),)),
    cell("t1", candidate=TEACHER, split=Split.TRAIN),
    cell("e1", 1.0),
    cell("e2", None),
    cell("e1", 0.0, candidate="i1d1"),
    trial(0, TrialKind.BASELINE, 1.0, n_ok=1, n_error=1, program_runs=2),
    trial(1, candidate="i1d1", program_runs=3),
    PromptCall(
        "tip:answer:1",
        ({"role": "user", "content": "Write."},),
        "Think.",
        {"proposed": "Think."},
        Usage(1, 1, 10, 5, 0.001, 1.5),
        0.7,
    ),
    PromptCall("tip:answer:2", (), "", {}, error="refused"),
    Spent(Role.TASK, Usage(4, 0, 480, 32, None, 1.0)),
    Spent(Role.PROMPT, Usage(1, 1, 10, 5, 0.001, 1.5)),
    Event("phase", {"phase": "search", "done": 1, "total": 5, "note": "trial 1"}),
    Tuning(1, TuningState.TUNED, "studio-1", "i0d0", ({"messages": [], "answer": "yes"},), {"tuned": "a.gguf"}),
    Event("note", {"text": "hello"}),
    OUTCOME,
)


def queued(store: Store, name: str = "a run", **kwargs: object) -> str:
    fields: dict[str, object] = {
        "optimizer": "mipro",
        "seed": 0,
        "config": {"demos": 3},
        "plan": {"trials": 5},
        "receipt": {"studio": "0.1.0"},
        "records": (),
    }
    return store.create_run(name=name, **{**fields, **kwargs})  # type: ignore[arg-type]


def running(store: Store, **kwargs: object) -> str:
    run_id = queued(store, **kwargs)
    assert store.claim(run_id, WORKER, LEASE_S)
    return run_id


def in_status(store: Store, status: Status) -> str:
    """A run that has come to `status` by legal moves."""
    run_id = queued(store)
    if status is not Status.QUEUED:
        assert store.claim(run_id, WORKER, LEASE_S)
    if status not in (Status.QUEUED, Status.RUNNING):
        store.release(run_id, WORKER, status)
    return run_id


def make_v1_database(path: Path) -> str:
    """A small database of today's schema: `python -m tests.storage.samples FILE` once a schema has shipped."""
    with Store(path, HandClock()) as store:
        run_id = running(store, name="kept from version 1")
        SqliteJournal(store, run_id, WORKER).commit(SAMPLES)
        store.send(run_id, "pause", {"why": "lunch"})
        store.release(run_id, WORKER, Status.COMPLETED, "All trials are done.")
        store.db.execute("pragma wal_checkpoint(truncate)")
    return run_id


if __name__ == "__main__":
    import sys

    make_v1_database(Path(sys.argv[1]))
