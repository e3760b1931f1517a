"""A store filled as workers fill it: runs in every state, built through `Store` and `SqliteJournal` only.

python -m tests.ui.factory STORE     fills a store for looking at pages by hand
"""

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mipro_studio.optimizer_core.analysis.statistics import estimate, paired_difference
from mipro_studio.optimizer_core.analysis.winner import corrected
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import (
    TEACHER,
    Arm,
    Author,
    Candidate,
    Cell,
    CellKey,
    Demo,
    ErrorClass,
    Event,
    Example,
    Outcome,
    Phase,
    PromptCall,
    Record,
    Role,
    Spent,
    Split,
    Status,
    TraceStep,
    Trial,
    TrialKind,
    Usage,
)
from mipro_studio.storage.journal import SqliteJournal
from mipro_studio.storage.store import Store
from tests.arms import of_pairs, pairs

__all__ = ["HOSTILE", "LiveRun", "fill"]

HOSTILE = (
    "<script>alert(1)</script> $x^2$ :red[x] :material/home: **bold** [link](https://example.com) `code`\0 "
    "<img src=x onerror=alert(1)> \u202egnp.exe שלום עולם 😀 \ud83d " + "long" * 80
)
MARKER = "HOSTILE-BEGIN"
PREDICTORS = ("classify", "answer")
LEASE_S = 3600.0
_SAMPLE = Path(__file__).resolve().parents[2] / "sample_programs" / "triage.jsonl"
ROWS = [json.loads(line) for line in _SAMPLE.read_text(encoding="utf-8").splitlines()]
QUEUES = ("account", "delivery", "payment", "technical")
SIZES = {Split.TRAIN: 40, Split.VAL: 40, Split.TEST: 20}
TEXTS = (
    "Given the fields `message`, produce the field `queue`.",
    "Read the customer's message and name the one queue that can act on it. Payment covers money and bills; "
    "account covers who may sign in.",
    "You are a patient support lead. Name the queue a colleague would thank you for.",
    "Name the queue. If two fit, take the one that can end the customer's problem today.",
    "Every wrong queue costs a customer a day. Decide from what the person needs next, not from the words used.",
)


class LiveRun:
    """One run and its worker. Time is the factory's own and ends at the present, `age_s` after it began."""

    def __init__(self, store: Path, name: str, *, age_s: float, config: RunConfig, seed: int = 0) -> None:
        self._now = datetime.now(UTC) - timedelta(seconds=age_s)
        self._store = Store(store, clock=lambda: self._now)
        self._rng = random.Random(seed)
        self._cells = 0
        self._order = 0
        self._number = 0
        self._calls = {role: Usage(cost_usd=None) for role in (Role.TASK, Role.PROMPT, Role.TEACHER)}
        self._quality: dict[str, float] = {}
        self._full: set[str] = set()
        self._scores: dict[tuple[str, str], float] = {}
        self.best: tuple[float, str] = (-1.0, "")
        self.config = config
        plan = {
            "trials": config.search.trials,
            "candidates": config.search.candidates,
            "program_runs": {"bootstrap": [24, 240], "baseline": 40, "minibatch": 750, "full": 240}
            | {"total": [690, 1270], "test": 40},
            "lm_calls": {"task": [1380, 2540], "prompt": [14, 22], "teacher": [48, 480], "test": 80},
            "tokens": None,
            "usd": None,
            "notes": [],
        }
        self.id = self._store.create_run(
            name=name,
            optimizer=config.optimizer,
            seed=config.seed,
            config=config.model_dump(mode="json"),
            plan=plan,
            receipt={},
            records=_examples(),
        )

    def close(self) -> None:
        self._store.close()

    def begin(self, lease_s: float = LEASE_S) -> None:
        self._worker = f"worker-{self.id}"
        assert self._store.claim(self.id, self._worker, lease_s)
        self._journal = SqliteJournal(self._store, self.id, self._worker)

    def beat(self, lease_s: float = LEASE_S) -> None:
        self._store.beat(self.id, self._worker, lease_s)

    def wait(self, seconds: float) -> None:
        self._now = min(self._now + timedelta(seconds=seconds), datetime.now(UTC))

    def now(self) -> None:
        """The next record is written at the present."""
        self._now = datetime.now(UTC)
        self._store.beat(self.id, self._worker, LEASE_S)

    def write(self, *records: Record) -> None:
        self._journal.commit(records)

    def phase(self, phase: Phase, done: int = 0, total: int = 0, note: str = "") -> None:
        self.write(Event("phase", {"phase": phase, "done": done, "total": total, "note": note}))

    def bootstrap(self, sets: int = 4) -> None:
        self.phase(Phase.BOOTSTRAP, 0, sets, "set 0 of 4")
        for index in range(sets):
            self.wait(7)
            for predictor in PREDICTORS:
                self.write(_demo_set(predictor, index))
            self._spend(Role.TEACHER, 12)
            self.write(Event("progress", {"done": index + 1, "total": sets}))
        self.write(*map(_traced, range(12)), _fates(12))

    def propose(self, hostile: bool = False) -> None:
        self.phase(Phase.PROPOSE, 0, 8)
        for predictor in PREDICTORS:
            for index, text in enumerate(TEXTS):
                author = Author.SEED if index == 0 else Author.MODEL
                facts = _provenance(predictor, index) if index else {}
                self.write(instruction_arm(predictor, index, text, author, facts))
                if index:
                    self.write(_call(f"instruction/{predictor}/{index}", "proposed_instruction", text))
            self.write(_call(f"module/{predictor}", "module_description", f"It does the {predictor} step."))
            if hostile:
                facts = {"call": f"{MARKER}", "tip": HOSTILE, "switches": [{"switch": HOSTILE, "requested": True}]}
                self.write(instruction_arm(predictor, len(TEXTS), f"{MARKER} {HOSTILE}", Author.MODEL, facts))
                self.write(_call(MARKER, HOSTILE, f"{MARKER} {HOSTILE}" + "x" * 1_000_000))
        self.write(_call("dataset_summary/final", "summary", "Messages of customers, each for one of four queues."))
        self.write(_call("program", "program_description", "It names the queue of a message, then answers it."))
        self.wait(20)
        self._spend(Role.PROMPT, 18)
        self.write(Event("progress", {"done": 8, "total": 8}))

    def baseline(self) -> None:
        self.phase(Phase.SEARCH, 0, self.config.search.trials)
        self.evaluate(TrialKind.BASELINE, Candidate.baseline(2))

    def step(self, candidate: Candidate | None = None) -> None:
        """One trial; a full evaluation after every fifth."""
        self._number += 1
        # As a surrogate does: arms get better on the whole while the search goes on.
        reach = min(4, 1 + self._number // 5)
        choice = candidate or of_pairs(
            [(self._rng.randint(0, reach), self._rng.randint(0, min(3, reach))) for _ in PREDICTORS]
        )
        self.evaluate(TrialKind.MINIBATCH, choice)
        self.write(Event("progress", {"done": self._number, "total": self.config.search.trials}))
        if self._number % self.config.search.full_eval_every == 0:
            open_ = {name: mean for name, mean in self._quality.items() if name not in self._full}
            self.evaluate(TrialKind.FULL, Candidate.parse(max(open_, key=lambda name: open_[name])))

    def ask(self, candidate: Candidate) -> Trial:
        """A trial in flight."""
        trial = Trial(
            self._order + 1, self._number + 1, TrialKind.MINIBATCH, candidate.id, ("val-0",), False, None, 0, 0
        )
        trial = replace(trial, program_runs=self._cells + 25)
        self.write(trial)
        return trial

    def evaluate(self, kind: TrialKind, candidate: Candidate) -> None:
        size = SIZES[Split.VAL] if kind is not TrialKind.MINIBATCH else self.config.search.minibatch_size
        examples = [f"val-{i}" for i in self._rng.sample(range(SIZES[Split.VAL]), min(size, SIZES[Split.VAL]))]
        new = [example for example in examples if (candidate.id, example) not in self._scores]
        self._cells += len(new)
        self._order += 1
        true = _truth(candidate)
        self._scores |= {(candidate.id, example): float(self._rng.random() < true) for example in new}
        scores = [self._scores[candidate.id, example] for example in examples]
        common = (self._order, self._number, kind, candidate.id, tuple(examples))
        self.write(Trial(*common, program_runs=self._cells))
        self.wait(2.2)
        self.write(*self._cells_for(candidate.id, new))
        self._spend(Role.TASK, len(new) * 2)
        mean = sum(scores) / len(scores)
        self.write(Trial(*common, True, mean, len(scores), 0, self._cells))
        if kind is not TrialKind.BASELINE:
            self._quality[candidate.id] = mean
        if kind is TrialKind.FULL:
            self._full.add(candidate.id)
        if kind is TrialKind.FULL and mean > self.best[0]:
            self.best = (mean, candidate.id)

    def _cells_for(self, name: str, ids: Sequence[str]) -> list[Cell]:
        usage = Usage(2, 0, 540, 22, None, 0.2)
        cells = []
        for example in ids:
            row, score = _row(example), self._scores[name, example]
            said, steps = _answer(row, score == 1.0)
            shares = {"queue": Usage(1, 0, 340, 2, None, 0.15), "tone": Usage(1, 0, 200, 20, None, 0.05)}
            key = CellKey(name, Split.VAL, example)
            cells.append(Cell(key, score, None, "", usage, 0.21, said, steps, by_predictor=shares))
        return cells

    def tell(self) -> None:
        """What the worker notes on the way: beliefs about the arms, which of them matter, and what was spent."""
        arms = [
            {"predictor": name, "kind": kind, "arm": arm, "n_candidates": 4 - arm % 4, "n_cells": 100 - 20 * arm}
            | {"mean": 0.5 + 0.05 * arm, "low": 0.42 + 0.05 * arm, "high": 0.57 + 0.06 * arm}
            for name in PREDICTORS
            for kind in ("instruction", "demos")
            for arm in range(4)
        ]
        arms[3] |= {"mean": None, "low": None, "high": None, "n_candidates": 0, "n_cells": 0}
        facts = {"surrogate": "tpe", "level": 0.9, "n_candidates": 9, "n_cells": 300, "trial": self._number}
        spent = {role.value: [usage.calls, usage.input_tokens, 0, None] for role, usage in self._calls.items()}
        matters = [{key: value for key, value in row.items() if key != "arms"} for row in IMPORTANCE]
        self.write(
            Event("beliefs", {**facts, "arms": arms}),
            Event("importance", {"trial": self._number, "rows": matters}),
            Event("spending", spent),
        )

    def fail_cells(self, error: ErrorClass, message: str, n: int) -> None:
        candidate = Candidate.parse("i1d1-i2d0").id
        self.write(
            *(
                Cell(CellKey(candidate, Split.VAL, f"val-{i}", 9), None, error, message, Usage(1, 4, 0, 0, None))
                for i in range(n)
            )
        )

    def _spend(self, role: Role, calls: int) -> None:
        self._calls[role] += Usage(calls, calls // 40, calls * 270, calls * 11, None, calls * 0.1)
        self.write(Spent(role, self._calls[role]))

    def end(self, status: Status, reason: str = "", error: str = "") -> None:
        self._store.release(self.id, self._worker, status, reason, error)

    def outcome(self, reason: str, tested: bool = True) -> Outcome:
        """Core's own numbers from the cells of this run; the sealed test is drawn for the occasion."""
        baseline = Candidate.baseline(len(PREDICTORS)).id
        val = {name: self._of(name) for name in (baseline, self.best[1])}
        shared = [(val[baseline][i], score) for i, score in val[self.best[1]].items() if i in val[baseline]]
        pairs = [(float(i % 5 < 2), float(i % 5 < 4)) for i in range(SIZES[Split.TEST])] if tested else []
        if tested:
            sides = {self.best[1]: 1, baseline: 0}
            self.write(*(_tested(name, i, pair[at]) for name, at in sides.items() for i, pair in enumerate(pairs)))
        return Outcome(
            self.best[1],
            reason,
            estimate(list(val[baseline].values())),
            estimate(list(val[self.best[1]].values())),
            estimate([before for before, _ in pairs]) if tested else None,
            estimate([after for _, after in pairs]) if tested else None,
            paired_difference(shared),
            paired_difference(pairs) if tested else None,
            IMPORTANCE,
            corrected(self._table(), Candidate.parse(self.best[1]), Candidate.parse(baseline), 0),
        )

    def _table(self) -> ScoreTable:
        scored = ((CellKey(name, Split.VAL, example), score) for (name, example), score in self._scores.items())
        return ScoreTable(Cell(key, score) for key, score in scored)

    def _of(self, name: str) -> dict[str, float]:
        return {example: score for (candidate, example), score in self._scores.items() if candidate == name}


IMPORTANCE = tuple(
    {
        "parameter": f"{predictor}: {kind}",
        "predictor": predictor,
        "kind": kind,
        "spread": spread,
        "null": 0.031,
        "real": spread > 0.031,
        "n_candidates": 27,
        "n_cells": 640,
        "arms": [],
    }
    for predictor, kind, spread in (
        ("answer", "demos", 0.084),
        ("classify", "demos", 0.047),
        ("classify", "instruction", 0.022),
        ("answer", "instruction", 0.009),
    )
)


def _provenance(predictor: str, index: int) -> dict[str, object]:
    tips = ("none", "simple", "persona", "creative", "high_stakes")
    switches = [
        {"switch": "dataset_summary", "requested": True, "used": True, "why": ""},
        {
            "switch": "program_summary",
            "requested": True,
            "used": index != 3,
            "why": "the module could not be described",
        },
        {"switch": "demos", "requested": True, "used": True, "why": ""},
        {"switch": "history", "requested": False, "used": False, "why": ""},
        {"switch": "tips", "requested": True, "used": True, "why": ""},
    ]
    return {
        "call": f"instruction/{predictor}/{index}",
        "tip": tips[index % len(tips)],
        "temperature": 1.0,
        "demos_shown": [f"train-{index}", f"train-{index + 1}"],
        "history_shown": [],
        "switches": switches,
        "tokens": {"input": 812, "output": 46},
    }


def _call(key: str, field: str, text: str) -> PromptCall:
    request = ({"role": "system", "content": "Use the information below to learn about a task."},
               {"role": "user", "content": f"[[ ## task_demos ## ]]\n{ROWS[0]['message']}\n{key}"})  # fmt: skip
    return PromptCall(key, request, f"[[ ## {field} ## ]]\n{text}", {field: text}, Usage(1, 0, 812, 46), 1.0)


def _row(example: str) -> dict[str, str]:
    """The message behind `val-3`."""
    split, _, place = example.partition("-")
    before = {Split.TRAIN: 0, Split.VAL: SIZES[Split.TRAIN], Split.TEST: SIZES[Split.TRAIN] + SIZES[Split.VAL]}
    row = ROWS[before[Split(split)] + int(place)]
    return {"message": row["message"], "queue": row["queue"]}


def _answer(row: dict[str, str], right: bool) -> tuple[dict[str, str], tuple[TraceStep, ...]]:
    """What the program says of a row, and its steps; wrong is the queue beside the right one."""
    queue = row["queue"] if right else QUEUES[QUEUES.index(row["queue"]) - 1]
    steps = tuple(TraceStep(name, {"message": row["message"]}, {"queue": queue}) for name in PREDICTORS)
    return {"queue": queue}, steps


def _tested(candidate: str, place: int, score: float) -> Cell:
    """The winner is asked twice the tokens."""
    key = CellKey(candidate, Split.TEST, f"test-{place}")
    said, steps = _answer(_row(key.example), score == 1.0)
    tokens = 270 if candidate == Candidate.baseline(len(PREDICTORS)).id else 540
    return Cell(key, score, None, "", Usage(2, 0, tokens, 22, None, 0.2), 0.21, said, steps)


def _traced(place: int) -> Cell:
    """Of four runs of the teacher, one answers wrong; one in all fails."""
    key = CellKey(TEACHER, Split.TRAIN, f"train-{place}")
    said, steps = _answer(_row(key.example), place % 4 != 3)
    usage = Usage(2, 0, 540, 22, None, 0.2)
    if place == 11:
        return Cell(key, None, ErrorClass.PARSE, "The reply has no field 'queue'.", usage, 0.2, {}, steps[:1])
    return Cell(key, float(place % 4 != 3), None, "", usage, 0.2, said, steps)


def _fates(n: int) -> Event:
    fates = []
    for row in range(n):
        cell, kept = _traced(row), row < 3
        bad = "score 0 is below the threshold 1" if cell.error is None else "no score: parse"
        good = "kept" if kept else "good, but the sets that came to it were full"
        reason = good if cell.score == 1.0 else bad
        fates.append({"example": f"train-{row}", "score": cell.score, "kept": kept, "sets": [2, 3] if kept else []}
                     | {"reason": reason})  # fmt: skip
    return Event("traces", {"rows": n, "passed": 9, "threshold": 1.0, "traces": fates})


def _truth(candidate: Candidate) -> float:
    (i, d), (j, e) = pairs(candidate)
    return 0.42 + 0.03 * min(i, 3) + 0.04 * d + 0.01 * j + 0.07 * e


def _examples() -> list[Record]:
    found: list[Record] = []
    for split, size in SIZES.items():
        for place in range(size):
            row = _row(f"{split}-{place}")
            found.append(
                Example(f"{split}-{place}", split, place, {"message": row["message"]}, {"queue": row["queue"]})
            )
    return found


def _demo_set(predictor: str, index: int) -> Arm:
    kinds = ("zero_shot", "labels_only", "unshuffled", "shuffled")
    rows = [] if index == 0 else [f"train-{place}" for place in (range(3) if index < 3 else (2, 0, 1))]
    demos = tuple(Demo(_row(row), index > 1, row) for row in rows)
    return demos_arm(predictor, index, kinds[min(index, 3)], demos)


def _config(**changes: object) -> RunConfig:
    return RunConfig.model_validate(
        {"program": "sample:triage", "search": {"schedule": "minibatch", "minibatch_size": 25}, **changes}
    )


def _searching(store: Path, name: str, steps: int, age_s: float, *, hostile: bool = False) -> LiveRun:
    run = LiveRun(store, name, age_s=age_s, config=_config(), seed=steps)
    run.wait(1)
    run.begin()
    run.bootstrap()
    run.propose(hostile)
    run.baseline()
    for n in range(steps):
        run.step()
        if n % 3 == 2:
            run.tell()
    return run


def fill(store: Path, only: Sequence[str] = ()) -> dict[str, str]:
    """Runs by kind, in every state. Returns their ids."""
    makers = {
        "finished": _finished,
        "nogain": _no_gain,
        "capped": _capped,
        "stopped": _stopped,
        "review": _review,
        "lost": _lost,
        "failed": _failed,
        "paused": _paused,
        "hostile": _hostile,
        "queued": lambda path: LiveRun(path, "triage, endpoint model", age_s=8, config=_config(seed=3)),
        "running": running,
    }
    ids = {}
    for kind, make in makers.items():
        if not only or kind in only:
            run = make(store)
            ids[kind] = run.id
            run.close()
    return ids


def running(store: Path) -> LiveRun:
    run = _searching(store, "triage, 0.1 s endpoint", 13, 145)
    run.fail_cells(ErrorClass.TIMEOUT, "The model gave no answer within 120 s.", 3)
    run.now()
    run.ask(Candidate.parse("i3d2-i1d3"))
    return run


def _finished(store: Path) -> LiveRun:
    run = _searching(store, "triage, embedded model", 29, 90_000)
    run.step()
    run.phase(Phase.TEST, 0, 40)
    run.wait(9)
    run.write(run.outcome("It has the highest mean of the 6 candidates that were fully evaluated."))
    run.phase(Phase.DONE)
    run.end(Status.COMPLETED, "It has the highest mean of the 6 candidates that were fully evaluated.")
    return run


def _no_gain(store: Path) -> LiveRun:
    run = _searching(store, "extract invoices", 0, 200_000)
    run.best = (0.0, Candidate.baseline(2).id)
    outcome = run.outcome("No candidate beat the baseline on the validation set.")
    run.write(replace(outcome, best_test=outcome.baseline_test, importance=()))
    run.end(Status.COMPLETED, "No candidate beat the baseline on the validation set.")
    return run


def _capped(store: Path) -> LiveRun:
    run = _searching(store, "answer with search", 12, 7_300)
    run.write(run.outcome("Best mean of the 3 candidates that were fully evaluated.", tested=False))
    run.end(Status.COMPLETED, "The cap of 350 program runs is reached.")
    return run


def _stopped(store: Path) -> LiveRun:
    run = _searching(store, "triage, first try", 3, 250_000)
    run.end(Status.STOPPED, "Stopped by a person; this is the best so far.")
    return run


def _review(store: Path) -> LiveRun:
    run = LiveRun(store, "triage, with review", age_s=1_900, config=_config(review=True), seed=5)
    run.begin()
    run.bootstrap()
    run.propose()
    run.end(Status.AWAITING_REVIEW, "Read the proposed instructions, edit or reject, then say go.")
    return run


def _lost(store: Path) -> LiveRun:
    run = LiveRun(store, "triage overnight", age_s=40_000, config=_config(seed=1), seed=3)
    run.begin(lease_s=300)
    run.bootstrap()
    run.propose()
    run.baseline()
    for _ in range(7):
        run.step()
        run.beat(300)
    return run


def _failed(store: Path) -> LiveRun:
    run = LiveRun(store, "triage with my metric", age_s=3_400, config=_config(seed=2))
    run.begin()
    run.bootstrap(1)
    run.fail_cells(ErrorClass.METRIC, "KeyError: 'queue'", 5)
    trace = "Traceback (most recent call last):\n  File \"metrics.py\", line 12, in metric\nKeyError: 'queue'"
    run.end(Status.FAILED, "The metric 'metric' raised KeyError: 'queue'. Mend it and run again.", trace)
    return run


def _paused(store: Path) -> LiveRun:
    run = _searching(store, "triage, remote endpoint", 8, 600)
    run.fail_cells(ErrorClass.CONNECTION, "Connection refused by http://127.0.0.1:9999/v1", 10)
    run.end(Status.PAUSED, "10 calls in a row got no answer from http://127.0.0.1:9999/v1: connection refused.")
    return run


def _hostile(store: Path) -> LiveRun:
    run = _searching(store, f"{MARKER} {HOSTILE}", 4, 1_000, hostile=True)
    run.step(Candidate.parse("i5d1-i5d2"))
    run.fail_cells(ErrorClass.PARSE, f"{MARKER} {HOSTILE}", 4)
    run.best = (0.0, Candidate.parse("i5d1-i5d2").id)
    run.write(run.outcome(f"{MARKER} {HOSTILE}"))
    run.end(Status.COMPLETED, f"{MARKER} {HOSTILE}", f"{MARKER} {HOSTILE}")
    return run


if __name__ == "__main__":
    print(fill(Path(sys.argv[1])))
