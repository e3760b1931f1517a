"""Workers that are killed, endpoints that fail, keys: real processes, and an endpoint that counts for itself."""

import os
import signal
import subprocess
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mipro_studio import launcher, terminal
from mipro_studio.optimizer_core.types import CellKey, Example, Split, Status
from mipro_studio.storage import Reader, Store
from tests.loopback import LoopbackEndpoint
from tests.working import DESK, THREADS, arguments, cli, endpoint, last_object, write_rows

pytestmark = pytest.mark.timeout(290)

LOST_CALLS = 2 * THREADS
"""What a crash may waste: one program run of two calls in each thread."""

CANARY = "sk-canary-7b1f0c5d9e"
LEAKY = f"""# The desk, with a child and a C library that print the key.
import ctypes, os, sys
sys.path.insert(0, {str(Path(DESK).parent)!r})
from desk import *
os.system("printenv DESK_KEY; printenv DESK_KEY >&2")
ctypes.CDLL(None).puts(os.environ["DESK_KEY"].encode())
ctypes.CDLL(None).fflush(None)
"""
HIDDEN = "[key hidden]"


@dataclass(frozen=True)
class Life:
    """A run that has ended, and what its endpoint counted."""

    store: Path
    run: str
    facts: dict[str, Any]
    stats: dict[str, Any]

    @property
    def cells(self) -> dict[CellKey, float | None]:
        with Reader(self.store) as reader:
            rows = reader.cells(self.run)
        table = {row.key: row.score for row in rows}
        assert len(table) == len(rows), "a cell is there twice"
        return table


class Bench:
    """Runs of one request that was looked at once: looking takes seconds of imports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows = write_rows(folder)
        with endpoint() as nowhere:
            self._found = launcher.inspect(
                {
                    "program": DESK,
                    "data": {"data": str(self.rows), "inputs": ["message"]},
                    "threads": THREADS,
                    "task_model": {"model": "openai/task", "api_base": nowhere.base_url},
                    "search": {"candidates": 3, "trials": 8},
                }
            )

    def queue(self, name: str, running: LoopbackEndpoint, changes: dict[str, Any], **model: Any) -> tuple[Path, str]:
        """A QUEUED run in a store of its own."""
        config = {**self._found["config"], **changes}
        config["task_model"] = {**config["task_model"], "api_base": running.base_url, **model}
        path = self.folder / name / "studio.db"
        with Store(path) as store:
            examples = [Example(**{**row, "split": Split(row["split"])}) for row in self._found["records"]]
            run = store.create_run(
                name=name,
                optimizer=config["optimizer"],
                seed=config["seed"],
                config=config,
                plan=self._found["plan"],
                receipt=self._found["receipt"],
                records=examples,
            )
        return path, run


def finish(store: Path, run: str) -> None:
    """Wait until the run ends or stands still. A busy machine may hold a worker up past its lease: LOST may pass."""
    until(lambda: status(store, run) not in (Status.QUEUED, Status.RUNNING, Status.LOST))


def until(true: Callable[[], bool], seconds_s: float = 200) -> None:
    deadline = time.monotonic() + seconds_s
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


def status(store: Path, run: str) -> Status:
    with Reader(store) as reader:
        return reader.run(run).status


def facts_of(store: Path, run: str) -> dict[str, Any]:
    with Reader(store) as reader:
        return terminal.run_facts(reader, run)


def resumed(store: Path, run: str) -> dict[str, Any]:
    done = cli("resume", run, "--store", str(store), "--json")
    assert done.returncode == 0, done.stderr
    return last_object(done)


def killed_after(bench: Bench, calls: int) -> Life:
    """Kill -9 when that many calls were answered and all threads wait for the next answers; then resume."""
    with endpoint(fault_script=[*["ok"] * calls, *["hang"] * 99], hang_s=250) as running:
        store, run = bench.queue(f"killed{calls}", running, {})
        pid = launcher.spawn(store, run)
        until(lambda: running.stats()["in_flight"] >= 1 and running.stats()["ok"] == calls)
        before = facts_of(store, run)
        os.kill(pid, signal.SIGKILL)
        # The worker leads a session of its own: whatever it has started must be gone with it.
        until(lambda: not alive(pid), 60)
        running.control(fault_script=[])
        facts = resumed(store, run)
        return Life(store, run, {**facts, "before": before}, running.stats())


def alive(group: int) -> bool:
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def failing(bench: Bench) -> Life:
    """Every tenth call fails in one of four ways."""
    faults = {"429": 1.0, "500": 1.0, "drop": 1.0, "hang": 1.0}
    with endpoint(fail_rate=0.1, fail_kinds=faults, hang_s=250, seed=0) as running:
        store, run = bench.queue("failing", running, {}, timeout_s=3.0)
        launcher.spawn(store, run)
        finish(store, run)
        return Life(store, run, facts_of(store, run), running.stats())


def down_for_a_while(bench: Bench) -> tuple[subprocess.CompletedProcess[str], Life]:
    """The endpoint goes away after 90 calls; the run is resumed when it is back."""
    store = bench.folder / "down" / "studio.db"
    with endpoint(fault_script=[*["ok"] * 90, *["drop"] * 999]) as running:
        given = arguments(bench.rows, running.base_url, "--store", str(store), "--minibatch-size", "35", "--json")
        first = cli(*given)
        running.control(fault_script=[])
        run = last_object(first)["run_id"]
        return first, Life(store, run, resumed(store, run), running.stats())


def undisturbed(bench: Bench) -> Life:
    with endpoint() as running:
        store, run = bench.queue("undisturbed", running, {})
        launcher.spawn(store, run)
        finish(store, run)
        return Life(store, run, facts_of(store, run), running.stats())


def everything(folder: Path) -> bytes:
    """The bytes of all files, write-ahead logs included, and of the compressed JSON in them."""
    found = b""
    for path in sorted(folder.rglob("*")):
        with suppress(FileNotFoundError):  # a log that was just folded into its database
            found += path.read_bytes() if path.is_file() else b""
    parts = [found]
    start = found.find(b"\x78\x01")
    while start >= 0:
        with suppress(zlib.error):
            parts.append(zlib.decompressobj().decompress(found[start:]))
        start = found.find(b"\x78\x01", start + 1)
    return b"".join(parts)


@dataclass(frozen=True)
class Quoted:
    """A run whose endpoint repeats the key in its errors, and all that was written and shown of it."""

    store: Path
    facts: dict[str, Any]
    on_the_way: bytes
    shown: str
    refused: subprocess.CompletedProcess[str]


def quoted(bench: Bench) -> Quoted:
    """Some prompts always fail, and then the key is refused; each time the error repeats it."""
    faulty = {"fail_rate": 0.06, "fail_kinds": {"500": 1.0}, "fail_by": "prompt"}
    with endpoint(require_key=CANARY, quote_key=True, **faulty) as running:
        program = bench.folder / "leaky.py"
        program.write_text(LEAKY)
        changes = {"retries": 0, "pause_after": 10_000, "program": str(program)}
        store, run = bench.queue("quoted", running, changes, api_key_env="DESK_KEY")
        launcher.spawn(store, run)
        on_the_way = b""
        while status(store, run) in (Status.QUEUED, Status.RUNNING, Status.LOST):
            if CANARY.encode() not in on_the_way:
                on_the_way = everything(store.parent)
            time.sleep(0.5)
        running.control(require_key="another")
        given = arguments(bench.rows, running.base_url, "--store", str(bench.folder / "refused" / "studio.db"))
        refused = cli(*given, "--api-key-env", "DESK_KEY")
    out = cli("export", run, "--out", str(store.parent / "winner.json"), "--store", str(store))
    shown = cli("show", run, "--store", str(store), "--json")
    said = shown.stdout + shown.stderr + out.stdout + out.stderr
    return Quoted(store, last_object(shown), on_the_way, said, refused)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("worker"))


@pytest.fixture(scope="module")
def lives(bench: Bench) -> Iterator[dict[str, Any]]:
    """All runs of this file, side by side: each spends most of its time waiting."""
    made: dict[str, Callable[[], Any]] = {
        "undisturbed": lambda: undisturbed(bench),
        "early": lambda: killed_after(bench, 30),
        "in search": lambda: killed_after(bench, 150),
        "failing": lambda: failing(bench),
        "quoted": lambda: quoted(bench),
        "down": lambda: down_for_a_while(bench),
    }
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(4) as pool:
        patch.setenv("DESK_KEY", CANARY)
        yield {name: pool.submit(life) for name, life in made.items()}


def the_same(life: Life, plain: Life) -> None:
    """Nothing of what disturbed a run is to be seen in what it found."""
    for name in ("status", "winner", "best_val", "baseline_val", "best_test", "program_runs", "trials", "cells"):
        assert life.facts[name] == plain.facts[name], name
    assert life.cells == plain.cells


def test_every_call_the_endpoint_counts_is_in_the_runs_own_count(lives: dict[str, Any]) -> None:
    plain: Life = lives["undisturbed"].result()
    assert plain.facts["status"] == "completed", plain.facts
    counted = sum(plain.facts["lm_calls"].values()) + plain.facts["test_lm_calls"]
    assert counted == plain.stats["total"] == plain.stats["ok"]


@pytest.mark.parametrize("moment", ["early", "in search"])
def test_a_killed_worker_loses_only_what_was_under_way(lives: dict[str, Any], moment: str) -> None:
    plain: Life = lives["undisturbed"].result()
    life: Life = lives[moment].result()
    searching = life.facts["before"]["baseline_val"] is not None
    assert searching == (moment == "in search"), life.facts["before"]
    the_same(life, plain)
    assert plain.stats["total"] <= life.stats["total"] <= plain.stats["total"] + LOST_CALLS
    with Reader(life.store) as reader:
        assert reader.run(life.run).lives == 2


def test_a_failing_endpoint_changes_no_score(lives: dict[str, Any]) -> None:
    plain: Life = lives["undisturbed"].result()
    life: Life = lives["failing"].result()
    assert set(life.stats["failed_by_kind"]) == {"429", "500", "drop", "hang"}, life.stats
    assert life.facts["cells"]["error"] == 0, life.facts["errors"]
    the_same(life, plain)
    # What failed was paid for as well, and is counted.
    assert sum(life.facts["lm_calls"].values()) + life.facts["test_lm_calls"] == life.stats["total"]


def test_an_endpoint_that_is_down_pauses_the_run_until_it_is_back(lives: dict[str, Any]) -> None:
    first, life = lives["down"].result()
    paused = last_object(first)
    assert (first.returncode, paused["status"]) == (3, "paused"), first.stderr
    assert paused["reason"].startswith("10 model calls in a row failed (connection)")
    assert (paused["winner"], paused["error"]) == (None, None)
    assert not [score for key, score in life.cells.items() if score is None]
    the_same(life, lives["undisturbed"].result())


def test_a_key_that_the_endpoint_quotes_is_written_nowhere(bench: Bench, lives: dict[str, Any]) -> None:
    quoted: Quoted = lives["quoted"].result()
    folder = quoted.store.parent
    assert quoted.facts["errors"].get("server", 0) > 0, quoted.facts
    with Reader(quoted.store) as reader:
        assert HIDDEN in str(reader.recent_errors(quoted.facts["run_id"])), "the endpoint did not quote the key"
    assert (folder / "winner.json").is_file() and quoted.facts["winner"]
    written = everything(folder)
    log = (folder / "logs" / f"{quoted.facts['run_id']}.log").read_text()
    assert log.splitlines()[:3] == [HIDDEN] * 3
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert modes == {0o600, 0o700}, "somebody else could read it"
    assert HIDDEN.encode() in written and b"DESK_KEY" in written
    assert CANARY.encode() not in quoted.on_the_way + written
    assert quoted.refused.returncode == 2 and HIDDEN in quoted.refused.stderr
    assert CANARY not in quoted.shown
    assert CANARY not in quoted.refused.stdout + quoted.refused.stderr
    assert not (bench.folder / "refused").exists()
