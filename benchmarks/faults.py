"""The whole table of faults, tried: python -m benchmarks.faults [--quick] [--only NAME ...]

Each row is a kind of fault: what is done, how often, what is promised, how often the promise was not kept. The rows
of `docs/reliability.md` are printed by this command. Exit code 1 when anything was not as promised.
"""

import argparse
import logging
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mipro_studio import ROOT

__all__ = ["ROWS", "Row", "main"]

WORST_S = 600.0


@dataclass(frozen=True)
class Tried:
    """How many fault points there were, and what was said of those where the promise was not kept."""

    points: int
    broken: Sequence[str]
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A kind of fault. `try_it` is given whether it should be quick."""

    name: str
    what: str
    promise: str
    try_it: Callable[[bool], Tried]


def _decisions(mode: str, quick: bool) -> Tried:
    from tests.optimizer_core.crashing import OPTIMIZERS, SCENARIOS, Stage, play

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # tasks of a killed life tell of it
    stride = {"kill": 47, "journal": 97, "clock": 97}[mode] * (4 if quick else 1)
    points, broken = 0, []
    with Stage() as stage:
        for n, scenario in enumerate(SCENARIOS):
            for m, optimizer in enumerate(OPTIMIZERS):
                first = (5 * n + 3 * m) % stride

                def some(commits: int, first: int = first) -> Sequence[int]:
                    return range(first, commits, stride)

                for played in play(stage, optimizer, scenario, some, mode):
                    points += 1
                    if played.different:
                        broken.append(f"{scenario.name}, {optimizer}, cut after {played.cuts}: {played.different}")
    return Tried(points, broken, f"{len(OPTIMIZERS)} optimizers x {len(SCENARIOS)} scenarios")


def _bits(kind: str, quick: bool) -> Tried:
    from tests.storage.flipping import RAISED, SILENT, counted

    times = {"store": 600, "log": 400, "replay": 200, "study": 200}[kind] // (10 if quick else 1)
    with tempfile.TemporaryDirectory() as folder:
        found, wrong = counted(Path(folder), kind, times, seed=7)
    assert len(wrong) == found[RAISED] + found[SILENT]
    return Tried(sum(found.values()), wrong, ", ".join(f"{count} x {what}" for what, count in found.most_common()))


def _tests(names: Sequence[str], quick: bool) -> Tried:
    """Tests whose every case is a fault point."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--tb=line",
            "-p",
            "no:cacheprovider",
            f"--junitxml={report}",
        ]
        subprocess.run([*command, *names], cwd=ROOT, stdout=subprocess.DEVNULL, timeout=WORST_S, check=False)
        cases = list(ElementTree.parse(report).iter("testcase"))
    ran = [case for case in cases if case.find("skipped") is None]
    broken = [
        f"{case.get('classname')}::{case.get('name')}"
        for case in ran
        if case.find("failure") is not None or case.find("error") is not None
    ]
    skipped = len(cases) - len(ran)
    return Tried(len(ran), broken, f"{skipped} not possible here" if skipped else "")


def _of(*names: str) -> Callable[[bool], Tried]:
    return partial(_tests, names)


SAME = "the same trials, cells, winner, outcome and test as uninterrupted"
SAID = "a sentence or the right data; no traceback, nothing wrong in silence"
ROWS: Sequence[Row] = (
    Row("kill", "a run killed after a commit, every other one twice, and resumed", SAME, partial(_decisions, "kill")),
    Row("journal", "lock, full disk or I/O error at a commit", f"it pauses; resumed, {SAME}",
        partial(_decisions, "journal")),
    Row("clock", "the watch set by an hour or a month, forward and back, at a commit, with a kill", SAME,
        partial(_decisions, "clock")),
    Row("store bits", "a bit of the store turned over, or its end cut off", SAID, partial(_bits, "store")),
    Row("log bits", "the same in the write-ahead log", f"{SAID}; cut: an earlier commit", partial(_bits, "log")),
    Row("replay bits", "the same in a replay file", SAID, partial(_bits, "replay")),
    Row("study bits", "the same in an Optuna study", "a sentence; the run is unharmed", partial(_bits, "study")),
    Row("pieces", "killed, failing, slow or overtaken in a piece of a long write",
        "nothing half is seen, others write in between", _of("tests/storage/test_in_pieces.py")),
    Row("content", "a value changed in a table of a run that ended", "never shown, resumed, exported or packed",
        _of("tests/storage/test_seals.py", "tests/commands/test_check_store.py")),
    Row("commits", "kill -9 inside a commit, writers side by side", "nothing lost that was acknowledged, none half",
        _of("tests/storage/test_crash.py", "tests/storage/test_locks.py")),
    Row("processes", "kill -9 of the worker, an endpoint that fails or is down", "nothing lost, nothing paid twice",
        _of("tests/worker/test_worker.py")),
    Row("waiting", "a lock held and a full disk for longer than the lease",
        "said on screen, in `show` and in the log; it goes on by itself",
        _of("tests/worker/test_waiting.py", "tests/storage/test_waiting.py")),
    Row("hanging", "rows and metrics that hang, hold Python's lock or end their process; then Stop",
        "ended within ten seconds, the row is an error", _of("tests/worker/test_hanging.py")),
    Row("left behind", "children of a program, however the worker ends", "they end with the run",
        _of("tests/control/test_supervisor.py")),
    Row("replies", "endpoints that refuse, trickle, never end, talk nonsense", "an error of its class, in time",
        _of("tests/optimizer_core/models/test_replies.py", "tests/optimizer_core/models/test_lms.py")),
    Row("shares", "runs in which nearly all fails, of every class", "paused with the reason, or gone on with",
        _of("tests/optimizer_core/evaluation/test_failures.py")),
    Row("leases", "the watch set forward and back, a machine started anew", "a live run is RUNNING, a dead one LOST",
        _of("tests/storage/test_clock.py")),
    Row("commands", "every command in every state, edits in between", "what the table of states says",
        _of("tests/control/test_commands.py")),
    Row("hostile replays", "files made to do harm: ids, types, sizes, code", "refused in one sentence, nothing runs",
        _of("tests/storage/replay")),
    Row("uploads", "disks that fill, files that are too large or half", "whole or not at all",
        _of("tests/ui/page/test_uploads.py", "tests/optimizer_core/test_files.py")),
    Row("rows", "rows that end, hold or fill their process", "the error of that row, and of no other",
        _of("tests/optimizer_core/evaluation/test_executors.py")),
    Row("inherited", "children and helpers that look for the keys", "no process has a key that it does not need",
        _of("tests/optimizer_core/test_environment.py")),
    Row("leaks", "keys in text, records, streams, children, code and addresses", "blacked out everywhere",
        _of("tests/optimizer_core/test_secrets.py")),
    Row("strangers", "other Hosts, Origins, accounts and tokens", "nobody gets in",
        _of("tests/ui/page/test_door.py", "tests/control/test_admission.py", "tests/ui/page/test_access.py")),
    Row("weights", "weights cut, changed or not fetched", "fetched anew or refused",
        _of("tests/optimizer_core/models/test_embedded_weights.py")),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Try the rows, print the table; 1 when a promise was not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="A tenth of the points.")
    parser.add_argument("--only", nargs="*", choices=[row.name for row in ROWS], default=None)
    said = parser.parse_args(arguments)
    print("| kind | what was done | fault points | promised | not kept | seconds | |")
    print("|---|---|---:|---|---:|---:|---|", flush=True)
    points, broken = 0, list[str]()
    for row in ROWS:
        if said.only is not None and row.name not in said.only:
            continue
        began = time.monotonic()
        tried = row.try_it(said.quick)
        took = time.monotonic() - began
        points, broken = points + tried.points, [*broken, *(f"{row.name}: {one}" for one in tried.broken)]
        print(
            f"| {row.name} | {row.what} | {tried.points} | {row.promise} | {len(tried.broken)} | {took:.0f} | "
            f"{tried.note} |",
            flush=True,
        )
    print(f"\n{points} fault points, {len(broken)} not as promised.")
    print(*(f"  {one}" for one in broken), sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
