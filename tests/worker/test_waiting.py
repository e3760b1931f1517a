"""Real workers whose store cannot be written for longer than their lease: a held lock, a full disk."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, suppress
from copy import copy
from dataclasses import dataclass
from pathlib import Path

import pytest

from mipro_studio.control import launcher
from mipro_studio.control.heartbeat import LEASE_S
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader, log_path
from tests.waits import until
from tests.worker.test_worker import Bench, facts_of, status
from tests.working import cli, endpoint

pytestmark = pytest.mark.timeout(280)
LONGER_S = LEASE_S + 4


@dataclass(frozen=True)
class Waited:
    """What was to be seen of a run while its store could not be written, and what it came to."""

    seen: list[tuple[Status, str]]
    shown: str
    log: str
    facts: dict[str, object]
    warnings: list[str]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("waiting"))


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("disk")
    mounted = (
        os.getuid() == 0
        and not subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m,mode=700", "tmpfs", str(folder)], capture_output=True
        ).returncode
    )
    if not mounted:
        pytest.skip("only root can make a small disk here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def watched(store: Path, run: str, seconds: float) -> list[tuple[Status, str]]:
    seen = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with Reader(store) as reader:
            found = reader.run(run)
        seen.append((found.status, found.reason))
        time.sleep(0.25)
    return seen


def waited(store: Path, run: str, seen: list[tuple[Status, str]], shown: str, log: str) -> Waited:
    until(lambda: status(store, run) not in (Status.RUNNING, Status.LOST))
    with Reader(store) as reader:
        warnings = [event.data["text"] for _, _, event in reader.events_of(run, "warning")]
    return Waited(seen, shown, log, facts_of(store, run), warnings)


def held_lock(bench: Bench) -> Waited:
    with endpoint(latency_s=0.02) as running:
        store, run = bench.queue("lock", running, {})
        launcher.spawn(store, run)
        until(lambda: running.stats()["ok"] > 30)
        with closing(sqlite3.connect(store, isolation_level=None, timeout=30)) as other:
            other.execute("begin immediate")
            seen = watched(store, run, LONGER_S)
            shown = cli("show", run, "--store", str(store)).stdout
            log = log_path(store, run).read_text()
            other.execute("rollback")
        return waited(store, run, seen, shown, log)


def full_disk(bench: Bench, disk: Path) -> Waited:
    with endpoint(latency_s=0.02) as running:
        on_it = copy(bench)
        on_it.folder = disk
        store, run = on_it.queue("full", running, {})
        launcher.spawn(store, run)
        until(lambda: running.stats()["ok"] > 30)
        with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(b"x" * 4096)
        seen = watched(store, run, LONGER_S)
        shown = cli("show", run, "--store", str(store)).stdout
        log = log_path(store, run).read_text()
        (disk / "filler").unlink()
        return waited(store, run, seen, shown, log)


@pytest.fixture(scope="module")
def lives(bench: Bench) -> Iterator[dict[str, "Future[Waited]"]]:
    with ThreadPoolExecutor(2) as pool:
        yield {"lock": pool.submit(held_lock, bench)}


def holds(life: Waited, says: str) -> None:
    last = life.seen[-8:]
    assert {status for status, _ in last} == {Status.RUNNING}, life.seen
    assert all(says in reason and "goes on by itself" in reason for _, reason in last), life.seen
    assert says in " ".join(life.shown.split()) and "running" in life.shown
    assert says in life.log
    assert (life.facts["status"], life.facts["errors"]) == ("completed", {})
    assert any(says in text and "went on" in text for text in life.warnings), life.warnings


def test_a_full_disk_is_said_on_screen_in_show_and_in_the_log_and_the_run_goes_on(
    bench: Bench, small_disk: Path, lives: dict[str, "Future[Waited]"]
) -> None:
    """Played while the other waits for its lock."""
    holds(full_disk(bench, small_disk), "the disk is full")


def test_a_lock_that_another_program_holds_is_waited_for(lives: dict[str, "Future[Waited]"]) -> None:
    holds(lives["lock"].result(), "is locked by another process")
