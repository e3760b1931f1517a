"""Rows that hang, or end more than themselves, in real workers: Stop ends the run within ten seconds all the same."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.control import launcher
from mipro_studio.optimizer_core.types import ErrorClass, Status
from mipro_studio.storage import Reader, StoreUnavailable, log_path
from tests.fork_server import started
from tests.waits import until
from tests.worker.test_worker import Bench, status
from tests.working import ROOT, ROWS, endpoint

pytestmark = pytest.mark.timeout(600)

HANGS = ("deaf", "child", "lost_in_a_library", "at import")
ENDS = ("os._exit", "KeyboardInterrupt")
PROMISED_S = 10.0
LOAD_S = 110.0
"""A machine that does other things as well is late by that much; alone it takes 6 to 9 seconds."""
HANGING = ROOT / "tests" / "programs" / "hanging.py"
starting = threading.Lock()
"""The threads of this file share one environment, which says to the worker that is being started how to hang."""


@dataclass(frozen=True)
class Stopped:
    """How a run was that a person stopped while a row hung, and what was left of it."""

    took_s: float
    status: Status
    reason: str
    left: list[str]
    log: str


@pytest.fixture(scope="module", autouse=True)
def started_processes() -> Iterator[None]:
    """Signals, keys and what `/proc` says of a process are what this file is about."""
    with started():
        yield


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("hanging"))


def environments() -> dict[str, bytes]:
    found = {}
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                found[process.name] = (process / "environ").read_bytes()
            except OSError:
                continue
    return found


def left_of(name: str) -> list[str]:
    """Processes that were started for the run of this name."""
    # Other sessions' runs have other names; an endpoint that another thread started meanwhile has inherited this one.
    named = f"HANG_RUN={mark(name)}\0".encode()
    found = [pid for pid, environment in environments().items() if named in environment]
    return [pid for pid in found if b"tests.loopback" not in _command(pid)]


def mark(name: str) -> str:
    return f"{name}-{os.getpid()}"


def _command(pid: str) -> bytes:
    try:
        return (Path("/proc") / pid / "cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b"tests.loopback"


def spawned(bench: Bench, how: str, running: Any, **more: Any) -> tuple[Path, str]:
    program = HANGING
    if how == "at import":
        program = bench.folder / "never_loaded.py"
        program.write_text(HANGING.read_text().replace("program = Desk", "program = Desk\nstuck()"))
    metric = f"{HANGING}:metric"
    store, run = bench.queue(how, running, {"program": str(program), "metric": metric, **more})
    with starting, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HANG", how)
        patch.setenv("HANG_ON", "|".join(row["message"] for row in ROWS[::7]))
        patch.setenv("HANG_RUN", mark(how))
        patch.setenv("PYTHONPATH", str(HANGING.parent))
        launcher.spawn(store, run)
    return store, run


def stopped(bench: Bench, how: str) -> Stopped:
    with endpoint() as running:
        store, run = spawned(bench, how, running)
        until(lambda: status(store, run) in (Status.RUNNING, Status.LOST), 120)
        if how != "at import":
            until(lambda: running.stats()["ok"] >= 2, 120)
        time.sleep(2.0)
        begun = time.monotonic()
        until(lambda: asked_to_stop(store, run), 120)
        until(lambda: status(store, run) not in (Status.RUNNING, Status.LOST), 240)
        took_s = time.monotonic() - begun
        until(lambda: not left_of(how), 120)
    with Reader(store) as reader:
        found = reader.run(run)
        assert not reader.commands(run, pending=True)
    return Stopped(took_s, found.status, found.reason, left_of(how), log_path(store, run).read_text())


def asked_to_stop(store: Path, run: str) -> bool:
    """Whether the store took it: a row may have caught the worker in the middle of a transaction."""
    try:
        launcher.stop(store, run)
    except StoreUnavailable:
        return False
    return True


def ended(bench: Bench, how: str) -> tuple[Path, str]:
    """A run in which a row would end its process."""
    with endpoint() as running:
        # In worker processes for rows this would cost its row alone (tests/optimizer_core/evaluation).
        store, run = spawned(bench, how, running, executor="threads")
        until(lambda: status(store, run) in (Status.LOST, Status.COMPLETED, Status.FAILED), 250)
        if how == "os._exit":
            with Reader(store) as reader:
                assert reader.run(run).status is Status.LOST
                scored = {row.key: row.score for row in reader.cells(run)}
            with starting:
                launcher.resume(store, run)  # without HANG in the environment
            until(lambda: status(store, run) is Status.COMPLETED, 250)
            with Reader(store) as reader:
                assert scored.items() <= {row.key: row.score for row in reader.cells(run)}.items()
    return store, run


@pytest.fixture(scope="module")
def runs(bench: Bench) -> Iterator[dict[str, "Future[Any]"]]:
    """All runs of this file, side by side: each spends most of its time waiting."""
    with ThreadPoolExecutor(3) as pool:
        stops = {how: pool.submit(stopped, bench, how) for how in HANGS}
        yield {**stops, **{how: pool.submit(ended, bench, how) for how in ENDS}}


@pytest.mark.parametrize("how", HANGS)
def test_a_stop_ends_a_run_in_ten_seconds_whatever_a_row_does(runs: dict[str, "Future[Any]"], how: str) -> None:
    found = runs[how].result()
    assert found.took_s < PROMISED_S + LOAD_S, found
    assert found.status is Status.STOPPED and found.reason.startswith("Stopped by a person")
    assert found.left == [], "a child of the run is still there"


def test_a_row_that_ends_its_process_leaves_a_run_that_is_lost_and_can_be_resumed(
    runs: dict[str, "Future[Any]"],
) -> None:
    runs["os._exit"].result()


def test_what_would_end_a_process_is_the_error_of_its_row(runs: dict[str, "Future[Any]"]) -> None:
    store, run = runs["KeyboardInterrupt"].result()
    with Reader(store) as reader:
        assert reader.run(run).status is Status.COMPLETED, reader.run(run).reason
        errors = reader.recent_errors(run, 100)
        assert errors and {error.error for error in errors} == {ErrorClass.METRIC}
        assert all("KeyboardInterrupt" in error.message for error in errors)
