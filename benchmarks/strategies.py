"""BetterTogether's strategies beside each other, in pieces:

    python -m benchmarks.strategies --store S.db --out R.jsonl [--tasks triage] [--seeds 0,1,2] [--minutes 9]
    python -m benchmarks.strategies --store S.db --out R.jsonl --report

One run a task and seed goes through all strategies and does once what they begin with. It is paused when the minutes
are over, and the same command goes on with it, here or after a kill. A run that is through adds a JSON line for each
strategy to OUT, with the score of every row of the sealed test. Exit code 0: all are through; 1: call it again.
The report is Markdown: quality with intervals, and what training and answering took.
"""

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mipro_studio.benchmarks.grid.splits import write_splits
from mipro_studio.control import launcher, new_runs
from mipro_studio.optimizer_core.analysis.statistics import estimate, paired_difference
from mipro_studio.optimizer_core.errors import IllegalMove, StudioError
from mipro_studio.optimizer_core.types import Split, Status, Tuning, TuningState
from mipro_studio.sample_programs import CATALOG
from mipro_studio.storage import Reader, RunSummary, Store

__all__ = ["Entry", "Piece", "main", "table"]

MARK = "strategies"
"""Key of the receipt that says which entry a run answers."""
POLL_S = 1.0
RESUMABLE = (Status.PAUSED, Status.LOST, Status.FAILED, Status.STOPPED, Status.QUEUED)
ORDER = ("vanilla", "Π", "Θ", "Π→Π", "Θ→Θ", "Π→Θ", "Θ→Π", "Π→Θ→Π")
COMPARED = (("Π→Θ→Π", "Π"), ("Π→Θ→Π", "Θ"), ("Θ→Π", "Θ"), ("Π→Θ", "Π"))
"""Strategies (better, than) whose difference the report shows."""


@dataclass(frozen=True)
class Entry:
    """One run: a task and seed, and what is the same for all. `sizes`: rows of the splits, () = the sample's own."""

    task: str
    seed: int
    strategy: str
    finetune: Mapping[str, Any]
    sizes: tuple[int, ...] = ()

    @property
    def mark(self) -> dict[str, Any]:
        told = {"strategy": self.strategy, "finetune": dict(self.finetune), "sizes": list(self.sizes)}
        return {"task": self.task, "seed": self.seed, **told}

    def config(self, folder: Path) -> dict[str, Any]:
        """Settings of the run, nested as in `RunConfig`."""
        config: dict[str, Any] = {
            "program": f"sample:{self.task}",
            "optimizer": "better_together",
            "seed": self.seed,
            "name": f"{CATALOG[self.task].title} · strategies · seed {self.seed}",
            "finetune": {**self.finetune, "strategy": self.strategy},
        }
        if self.sizes:
            train, val, test = self.sizes
            paths = write_splits(self.task, (train, val, test), folder)
            config["data"] = {**{part: str(path) for part, path in paths.items()}}
            config["data"]["inputs"] = list(CATALOG[self.task].inputs)
        return config


class Piece:
    """Works on entries until a moment of the clock."""

    def __init__(self, store: Path, minutes: float) -> None:
        Store(store).close()
        self._store = store
        self._until = time.monotonic() + 60 * minutes

    def settle(self, entry: Entry) -> RunSummary | None:
        """The entry's run once it stands still; None where there was no time left to touch it."""
        run_id = self._known(entry)
        if run_id is not None and self._run(run_id).status is Status.COMPLETED:
            return self._run(run_id)
        if time.monotonic() > self._until:
            return None
        if run_id is None:
            found = new_runs.inspect(entry.config(self._store.parent / "benchmarks"))
            found["receipt"][MARK] = entry.mark
            run_id = new_runs.queue(self._store, found)
            launcher.spawn(self._store, run_id)
        elif self._run(run_id).status in RESUMABLE:
            launcher.resume(self._store, run_id)
        return self._waited(run_id)

    def _known(self, entry: Entry) -> str | None:
        with Reader(self._store) as reader:
            runs = reader.list_runs(limit=10_000)
            return next((run.id for run in runs if reader.receipt(run.id).get(MARK) == entry.mark), None)

    def _run(self, run_id: str) -> RunSummary:
        with Reader(self._store) as reader:
            return reader.run(run_id)

    def _waited(self, run_id: str) -> RunSummary:
        """Wait for the end, or for the clock. A training would go on alone, so a pause waits for its end."""
        paused = False
        while (summary := self._run(run_id)).status in (Status.QUEUED, Status.RUNNING):
            if not paused and time.monotonic() > self._until and not self._trains(run_id):
                with suppress(IllegalMove):  # it may just have come to its end
                    launcher.pause(self._store, run_id)
                paused = True
            time.sleep(POLL_S)
        return summary

    def _trains(self, run_id: str) -> bool:
        with Reader(self._store) as reader:
            return any(tuning.state is TuningState.SENT for tuning in reader.tunings(run_id))

    def lines(self, entry: Entry, run_id: str) -> Iterator[dict[str, Any]]:
        """What every strategy of a finished run came to."""
        with Reader(self._store) as reader:
            outcome, summary = reader.outcome(run_id), reader.run(run_id)
            tunings = {one.facts["strategy"]: one for one in reader.tunings(run_id)}
            scores: dict[str, dict[str, float | None]] = defaultdict(dict)
            for row in reader.cells(run_id, split=Split.TEST):
                scores[row.key.candidate][row.key.example] = row.score
            takes = {name: _takes(reader, run_id, name) for name in scores}
        for step in outcome.steps if outcome else ():
            tuning = tunings.get(step["strategy"])
            yield {
                **{"task": entry.task, "seed": entry.seed, "sizes": list(entry.sizes), "run": run_id},
                **{name: step[name] for name in ("strategy", "candidate", "val", "test", "paired_test")},
                "finetune": dict(entry.finetune),
                "wall_s": round(summary.wall_s),
                "training": _training(tuning) if tuning else None,
                "takes": takes.get(step["candidate"]),
                "scores": scores[step["candidate"]],
            }


def _takes(reader: Reader, run_id: str, candidate: str) -> dict[str, float]:
    """What a program run of the sealed test takes in the mean: calls, tokens read and tokens written."""
    usages = [row.usage for row in reader.cells(run_id, candidate, Split.TEST) if row.score is not None]
    names = ("calls", "input_tokens", "output_tokens")
    return {name: sum(getattr(one, name) for one in usages) / max(1, len(usages)) for name in names}


def _training(tuning: Tuning) -> dict[str, Any]:
    facts = tuning.facts
    losses = facts.get("losses") or [None]
    told = {name: facts.get(name) for name in ("yield", "steps", "waited_s", "begins_at")}
    return {"rows": len(tuning.rows), **told, "first_loss": losses[0], "last_loss": losses[-1]}


def table(lines: Sequence[Mapping[str, Any]]) -> str:
    """Markdown: the sealed test by strategy over all seeds of every task. A row of the test counts once a seed."""
    parts = []
    for task in dict.fromkeys(line["task"] for line in lines):
        of_task = [line for line in lines if line["task"] == task]
        seeds = sorted({line["seed"] for line in of_task})
        parts += [
            f"\n{task}, seeds {', '.join(map(str, seeds))}\n",
            "| strategy | sealed test | 90 % | by seed | rows tuned on | tuning, s | tokens read a row | written |",
            "|---|---|---|---|---|---|---|---|",
        ]
        there = [name for name in ORDER if any(line["strategy"] == name for line in of_task)]
        parts += [_row(name, of_task) for name in there]
        parts += ["\n| difference | points | 90 % | won, lost, tied |", "|---|---|---|---|"]
        pairs = [*((name, ORDER[0]) for name in there[1:]), *COMPARED]
        parts += [row for better, than in pairs if (row := _difference(better, than, of_task))]
    return "\n".join(parts)


def _row(name: str, lines: Sequence[Mapping[str, Any]]) -> str:
    own = sorted((line for line in lines if line["strategy"] == name), key=lambda line: line["seed"])
    found = estimate([score for line in own for score in line["scores"].values() if score is not None])
    means = ", ".join(f"{100 * line['test']['mean']:.1f}" for line in own)
    trained = [_trained(name, line["seed"], lines) for line in own]
    rows, seconds = (", ".join(f"{total:.0f}" for total in totals) for totals in zip(*trained, strict=True))
    interval = f"{100 * found['low']:.1f} to {100 * found['high']:.1f}"
    takes = [line["takes"] for line in own if line.get("takes")]
    read, written = (
        f"{sum(one[part] for one in takes) / len(takes):.0f}" if takes else ""
        for part in ("input_tokens", "output_tokens")
    )
    told = (name, f"{100 * found['mean']:.1f}", interval, means, rows, seconds, read, written)
    return f"| {' | '.join(told)} |"


def _trained(name: str, seed: int, lines: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """(rows, seconds) of all trainings that the strategy went through in the run of that seed."""
    steps = name.split("→")
    ways = {"→".join(steps[:end]) for end in range(1, len(steps) + 1)}
    made = [
        line["training"]
        for line in lines
        if line["seed"] == seed and line["strategy"] in ways and line.get("training")
    ]
    return sum(one["rows"] for one in made), sum(one["waited_s"] or 0.0 for one in made)


def _difference(better: str, than: str, lines: Sequence[Mapping[str, Any]]) -> str:
    by_key = {(line["strategy"], line["seed"]): line["scores"] for line in lines}
    pairs = [
        (before[name], after[name])
        for (strategy, seed), after in by_key.items()
        if strategy == better and (before := by_key.get((than, seed))) is not None
        for name in sorted(after.keys() & before.keys())
        if before[name] is not None and after[name] is not None
    ]
    if not pairs:
        return ""
    found = paired_difference(pairs)
    points = f"{100 * found['difference']:+.1f} | {100 * found['low']:+.1f} to {100 * found['high']:+.1f}"
    return f"| {better} against {than} | {points} | {found['won']}, {found['lost']}, {found['tied']} |"


def _read(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] if out.exists() else []


def _completed(lines: list[dict[str, Any]], store: Path) -> list[dict[str, Any]]:
    """The lines, with what answering took where an older version of this wrote them, as far as the store has it."""
    if not store.exists():
        return lines
    with Reader(store) as reader:
        known = {run.id for run in reader.list_runs(limit=10_000)}
        return [
            {**line, "takes": _takes(reader, line["run"], line["candidate"])}
            if not line.get("takes") and line.get("run") in known
            else line
            for line in lines
        ]


def _entries(asked: argparse.Namespace) -> Iterator[Entry]:
    """Seed after seed, so that what was interrupted is a whole comparison of fewer seeds."""
    sizes = tuple(int(one) for one in asked.sizes.split("/")) if asked.sizes else ()
    for seed in asked.seeds.split(","):
        for task in asked.tasks.split(","):
            yield Entry(task, int(seed), asked.strategy, json.loads(asked.finetune), sizes)


def _worked(asked: argparse.Namespace) -> int:
    piece, missing = Piece(asked.store.resolve(), asked.minutes), 0
    for entry in _entries(asked):
        summary = piece.settle(entry)
        if summary is None or summary.status is not Status.COMPLETED:
            missing += 1
        if summary is None:
            continue
        print(f"{entry.task}, seed {entry.seed}: {summary.status.value} {summary.reason} ({summary.wall_s:.0f} s)")
        if summary.status is not Status.COMPLETED or any(line["run"] == summary.id for line in _read(asked.out)):
            continue
        with asked.out.open("a", encoding="utf-8") as out:
            out.writelines(f"{json.dumps(line, ensure_ascii=False)}\n" for line in piece.lines(entry, summary.id))
    return int(missing > 0)


def main(arguments: list[str] | None = None) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strategies")
    parser.add_argument("--tasks", default="triage")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--strategy", default="all")
    parser.add_argument("--finetune", default="{}", help="Further settings of finetune, as JSON.")
    parser.add_argument("--sizes", default="", help="Rows of train/val/test; else the sample's own split.")
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument("--store", type=Path, default=Path("strategies.db"))
    parser.add_argument("--out", type=Path, default=Path("strategies.jsonl"))
    parser.add_argument("--report", action="store_true", help="Print the table of what is there; run nothing.")
    asked = parser.parse_args(arguments)
    if asked.report:
        print(table(_completed(_read(asked.out), asked.store)))
        return 0
    try:
        return _worked(asked)
    except StudioError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
