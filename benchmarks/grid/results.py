"""Reading a benchmark's runs back from the store: scores, curves, and what was spent, as measured by us."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mipro_studio.benchmarks.grid.marks import failed, marks
from mipro_studio.optimizer_core.types import EventKind, Split, Status, TrialKind
from mipro_studio.storage import Reader, RunSummary

__all__ = ["Failure", "Measured", "read_failures", "read_results"]


LONGEST = 120


@dataclass(frozen=True)
class Measured:
    """One finished run of a benchmark.

    Attributes:
        mark: The setting (`Entry.mark`); runs with one `group` have rows, models and cap in common.
        test: Score of the winner by example id, over test rows that have one.
        baseline_test: Likewise for the seed program.
        curve: (program runs, validation score of the candidate that was best by then), steps upwards.
        program_runs, lm_calls: Until the sealed test; calls are attempts at the model, by all roles.
        search_s: Seconds from the start to the sealed test; None when the run was interrupted in between.
    """

    run_id: str
    mark: dict[str, Any]
    capped: bool
    reason: str
    test: dict[str, float]
    baseline_test: dict[str, float]
    curve: tuple[tuple[int, float], ...]
    program_runs: int
    lm_calls: int
    search_s: float | None

    @property
    def score(self) -> float:
        return sum(self.test.values()) / len(self.test)

    @property
    def baseline(self) -> float:
        return sum(self.baseline_test.values()) / len(self.baseline_test)


@dataclass(frozen=True)
class Failure:
    """One run of a benchmark that ended with an error, in one line of at most `LONGEST` characters."""

    mark: dict[str, Any]
    reason: str


def read_failures(store: Path) -> list[Failure]:
    """Failed runs of all benchmarks whose setting no other run has finished, newest first."""
    known = [(run, mark) for run, mark in marks(store)]
    done = [mark for run, mark in known if run.status is Status.COMPLETED]
    return [
        Failure(mark, " ".join(run.reason.split())[:LONGEST])
        for run, mark in known
        if mark not in done and failed(store, run)
    ]


def read_results(store: Path) -> list[Measured]:
    """All finished runs of all benchmarks with a scored test, newest first; of equal settings the newest."""
    found: dict[str, Measured] = {}
    done = [(run, mark) for run, mark in marks(store) if run.status is Status.COMPLETED]
    if not done:
        return []
    with Reader(store) as reader:
        for run, mark in done:
            key = f"{mark['group']} {mark['optimizer']} {mark['seed']}"
            measured = _read(reader, run, mark) if key not in found else None
            if measured is not None:
                found[key] = measured
    return list(found.values())


def _read(reader: Reader, run: RunSummary, mark: dict[str, Any]) -> Measured | None:
    outcome = reader.outcome(run.id)
    if outcome is None or outcome.winner is None:
        return None
    matrix = reader.score_matrix(run.id, Split.TEST)
    by_candidate = {
        candidate: {e: s for e, s in zip(matrix.examples, scores, strict=True) if s is not None}
        for candidate, scores in zip(matrix.candidates, matrix.scores, strict=True)
    }
    test = by_candidate.get(outcome.winner)
    baseline = next((scores for name, scores in by_candidate.items() if _is_baseline(name)), None)
    if not test or not baseline:
        return None
    events = [(at, event) for _, at, event in reader.events(run.id, limit=1_000_000)]
    spent = next((event.data for _, event in events if event.kind == EventKind.PEER_SPENT), None)
    ended = [event.data for _, event in events if event.kind == EventKind.ENDED]
    spending = reader.spent(run.id)
    calls = sum(usage.calls for role, usage in spending.items() if not role.sealed)
    runs = run.cells_ok + run.cells_error - len(reader.cells(run.id, split=Split.TEST))
    return Measured(
        run_id=run.id,
        mark=mark,
        capped=bool(ended and ended[-1].get("capped")),
        reason=run.reason,
        test=test,
        baseline_test=baseline,
        curve=_curve(reader, run.id),
        program_runs=runs if spent is None else int(spent["program_runs"]),
        lm_calls=calls if spent is None else int(spent["lm_calls"]),
        search_s=_search_s(run, events),
    )


def _is_baseline(candidate: str) -> bool:
    return all(part == "i0d0" for part in candidate.split("-"))


def _curve(reader: Reader, run_id: str) -> tuple[tuple[int, float], ...]:
    """The best full evaluation by program runs. Full evaluations only: a minibatch's mean is another number."""
    best = float("-inf")
    steps = []
    for trial in sorted(reader.trials(run_id), key=lambda trial: (trial.program_runs, trial.order)):
        if trial.done and trial.kind is not TrialKind.MINIBATCH and trial.mean is not None and trial.mean > best:
            best = trial.mean
            steps.append((trial.program_runs, best))
    return tuple(steps)


def _search_s(run: RunSummary, events: list[tuple[str, Any]]) -> float | None:
    if run.lives != 1 or run.started_at is None:
        return None
    tested = [at for at, event in events if event.kind == EventKind.PHASE and event.data.get("phase") == "test"]
    if not tested:
        return None
    return (datetime.fromisoformat(tested[0]) - datetime.fromisoformat(run.started_at)).total_seconds()
