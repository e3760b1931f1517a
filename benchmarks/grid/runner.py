"""Works through a benchmark, a few runs at a time: what is finished is kept, what is under way is waited for.

All state is in the store. Kill this process and start it again: the run under way goes on by itself meanwhile.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from mipro_studio import command
from mipro_studio.benchmarks.grid.halt import Cap, Halt
from mipro_studio.benchmarks.grid.marks import MARK, failed, marks
from mipro_studio.benchmarks.grid.request import Entry, Request
from mipro_studio.benchmarks.grid.splits import write_splits
from mipro_studio.control import launcher, new_runs
from mipro_studio.optimizer_core.errors import IllegalMove, StudioError
from mipro_studio.optimizer_core.types import Status
from mipro_studio.sample_programs import CATALOG
from mipro_studio.storage import Reader, RunSummary, Store, log_path

__all__ = ["run_benchmark"]

POLL_S = 0.5
UNDER_WAY = (Status.QUEUED, Status.RUNNING)
RESUMABLE = (Status.PAUSED, Status.LOST, Status.FAILED, Status.STOPPED)
ATTEMPTS = 3
STAND_STILL_S = 60.0
"""A pause waits for the calls under way. After so long it is left to the worker, which pauses without us as well."""
NO_CAP = Cap()

Say = Callable[[str], None]


class _Halted(Exception):
    """A person pressed Ctrl-C, or the cap was reached, while a run was waited for."""


def run_benchmark(request: Request, store: Path, say: Say, jobs: int = 1, cap: Cap = NO_CAP) -> int:
    """Bring every entry of `request` to an end. Returns how many have none; those are tried again next time.

    Args:
        jobs: Runs under way at once. With more than one they share the machine, so their seconds say little.
        cap: When it is reached, nothing more begins; of what is under way, ours are paused and peers ended.
    """
    Store(store).close()  # made, or brought up to date, before anything reads it
    entries = list(request.entries())
    folder = store.parent / "benchmarks"
    data = {task: write_splits(task, request.sizes, folder, request.rows_seed) for task in request.tasks}
    halt = Halt(cap, [entry.mark() for entry in entries], store)

    def settle(number: int, entry: Entry) -> bool:
        where = f"[{number}/{len(entries)}] {entry.name}"
        try:
            summary = _settle(entry, store, data[entry.task], partial(_say_where, say, where), halt)
        except _Halted:
            return False
        return summary is not None and summary.status is Status.COMPLETED

    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(settle, number, entry) for number, entry in enumerate(entries, start=1)]
        try:
            missing = sum(not one.result() for one in waiting)
        except BaseException:
            halt.ask()
            pool.shutdown(cancel_futures=True)
            raise
    if halt.reason:
        say(halt.reason)
    return missing


def _say_where(say: Say, where: str, text: str) -> None:
    say(f"{where}: {text}")


def _settle(entry: Entry, store: Path, data: dict[str, Path], say: Say, halt: Halt) -> RunSummary | None:
    """The entry's run once it stands still; started, waited for, resumed or replaced as needed.

    Raises:
        _Halted: it was to stop before.
    """
    summary = _known(entry, store)
    if summary is not None and summary.status is Status.COMPLETED:
        say(f"is there already ({summary.id})")
        return summary
    for attempt in range(ATTEMPTS):
        if halt.within(0):
            raise _Halted
        try:
            process = _set_going(entry, store, data, summary, say)
        except StudioError as error:
            say(str(error))
            return None
        summary = _wait(entry, store, process, halt)
        said = f"{summary.status.value}{', ' + summary.reason if summary.reason else ''}"
        tested = "" if summary.best_test is None else f", test {summary.baseline_test:.3f} -> {summary.best_test:.3f}"
        say(f"{said}{tested} ({summary.wall_s:.0f} s)")
        # A failure is a result, to be looked at; a run that was lost or paused only needs to be set going again.
        ended = summary.status in (Status.COMPLETED, Status.STOPPED) or failed(store, summary)
        if ended or attempt == ATTEMPTS - 1:
            break
    return summary


def _known(entry: Entry, store: Path) -> RunSummary | None:
    mark = entry.mark()
    found = [run for run, known in marks(store) if known == mark]
    done = [run for run in found if run.status is Status.COMPLETED]
    return next(iter(done or found), None)


def _set_going(
    entry: Entry, store: Path, data: dict[str, Path], summary: RunSummary | None, say: Say
) -> subprocess.Popen[bytes] | None:
    """Create, resume or replace the run; nothing when it is under way already."""
    if summary is not None and summary.status is Status.RUNNING:
        say(f"is under way ({summary.id})")
        return None
    if summary is not None and summary.status is Status.QUEUED:
        # Its process may have died before it took the run. If it lives after all, one of the two takes the run.
        say(f"begins ({summary.id})")
        return _spawn(entry, store, summary.id)
    if summary is not None and summary.status in RESUMABLE:
        if not entry.is_peer:
            say(f"goes on ({summary.id})")
            launcher.resume(store, summary.id)
            return None
        say("is begun again: DSPy's optimizers cannot resume")
        with Store(store) as opened:
            opened.sweep()
            opened.delete_run(summary.id)
    run_id = _create(entry, store, data)
    say(f"begins ({run_id})")
    return _spawn(entry, store, run_id)


def _create(entry: Entry, store: Path, data: dict[str, Path]) -> str:
    found = new_runs.inspect(entry.config(data, CATALOG[entry.task].inputs), rehearse=False)
    asked = {
        "name": entry.name,
        "config": {**found["config"], "optimizer": entry.optimizer, "seed": entry.seed},
        "plan": {"trials": None, "notes": []} if entry.is_peer else found["plan"],
        "receipt": {**found["receipt"], MARK: entry.mark()},
    }
    return new_runs.queue(store, {**found, **asked})


def _spawn(entry: Entry, store: Path, run_id: str) -> subprocess.Popen[bytes] | None:
    """Start a process for a queued run. Returns a peer's, to be watched; a worker of ours watches over itself."""
    if not entry.is_peer:
        launcher.spawn(store, run_id)
        return None
    log = log_path(store, run_id)
    log.parent.mkdir(parents=True, exist_ok=True)
    asked = command("benchmarks.peers.process", str(store.resolve()), run_id, entry.optimizer)
    with log.open("ab") as out:
        return subprocess.Popen(asked, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)


def _wait(entry: Entry, store: Path, process: subprocess.Popen[bytes] | None, halt: Halt) -> RunSummary:
    """The run once it stands still. On a halt, a run of ours is paused and a peer ended."""
    try:
        while True:
            summary = _known(entry, store)
            assert summary is not None
            ended = process is not None and process.poll() is not None
            late = summary.status is Status.LOST and process is not None and not ended  # a busy machine, no death
            if summary.status not in UNDER_WAY and not late:
                return summary
            if ended and summary.status is Status.QUEUED:  # it died before it could claim the run
                with Store(store) as opened:
                    opened.move(summary.id, Status.FAILED, "its process ended at once; see the log")
            if halt.within(POLL_S):
                _let_go(entry, store, summary, process)
                raise _Halted
    finally:
        if process is not None and process.poll() is not None:
            process.wait()


def _let_go(entry: Entry, store: Path, summary: RunSummary, process: subprocess.Popen[bytes] | None) -> None:
    """Pause a run of ours, end a peer's, and return when nothing of it asks a model any more."""
    if process is not None:
        process.terminate()
        process.wait()
    with suppress(IllegalMove):  # it may just have come to its end
        if process is not None or summary.status is Status.QUEUED:
            with Store(store) as opened:
                opened.move(summary.id, Status.STOPPED, "Ended before its end; the same command goes on.")
        elif summary.status is Status.RUNNING:  # a peer that an earlier command began cannot pause
            (launcher.stop if entry.is_peer else launcher.pause)(store, summary.id)
            _stand_still(store, summary.id)


def _stand_still(store: Path, run_id: str) -> None:
    until = time.monotonic() + STAND_STILL_S
    with Reader(store) as reader:
        while reader.run(run_id).status is Status.RUNNING and time.monotonic() < until:
            time.sleep(POLL_S)
