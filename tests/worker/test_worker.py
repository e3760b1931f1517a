"""Workers that are killed, endpoints that fail, keys: whole runs on a store, and an endpoint that counts for itself.

Workers that are killed, or whose log is searched for a key, are processes; the others are played inside this one.
"""

import json
import os
import signal
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.commands import output
from mipro_studio.control import launcher, new_runs
from mipro_studio.optimizer_core.models import attempts
from mipro_studio.optimizer_core.types import CellKey, Status
from mipro_studio.storage import Reader, Store
from tests.fork_server import started
from tests.inside import Done, shell, workers_inside
from tests.loopback import LoopbackEndpoint
from tests.waits import until
from tests.working import DESK, THREADS, arguments, cli, endpoint, inside, last_object, write_rows

pytestmark = pytest.mark.timeout(290)

LOST_CALLS = 2 * THREADS
"""What a crash may waste: one program run of two calls in each thread."""

CANARY = "sk-canary-7b1f0c5d9e"
LEAKY = f"""# The desk, with a child and a C library that print the key.
import ctypes, json, os, subprocess, sys
sys.path.insert(0, {str(Path(DESK).parent)!r})
from desk import *
subprocess.run("printenv DESK_KEY; printenv DESK_KEY >&2", shell=True, env=os.environ)
ctypes.CDLL(None).puts(os.environ["DESK_KEY"].encode())
ctypes.CDLL(None).fflush(None)

# What processes of the studio can be seen to hold: [module, key in the command line, key in the environment].
def ours():
    for process in os.listdir("/proc"):
        try:
            called, given = (open(f"/proc/{{process}}/{{name}}", "rb").read() for name in ("cmdline", "environ"))
        except OSError:
            continue
        words, key = called.decode().split(chr(0)), os.environ["DESK_KEY"].encode()
        if any(word.endswith("mipro_studio/__main__.py") for word in words):
            yield words[3], key in called, key in given

inherited = subprocess.run(["printenv", "DESK_KEY"], capture_output=True).stdout.decode()
with open(os.environ["LEAKY_SEES"], "a") as seen:
    seen.write(json.dumps({{"inherited": inherited, "ours": [*ours()]}}) + chr(10))
"""
HIDDEN = "[key hidden]"
REHEARSED = 4
"""Model calls of the check, which every run here takes over and counts: two rows, two predictors."""
start_process = launcher.spawn
"""Threads start real workers while the main thread plays others, for which `launcher.spawn` is replaced."""


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
        with inside() as nowhere, workers_inside():
            self._found = new_runs.inspect(
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
            run = store.create_run(
                name=name,
                optimizer=config["optimizer"],
                seed=config["seed"],
                config=config,
                plan=self._found["plan"],
                receipt=self._found["receipt"],
                records=new_runs.records_of(self._found),
            )
        return path, run


def status(store: Path, run: str) -> Status:
    with Reader(store) as reader:
        return reader.run(run).status


def facts_of(store: Path, run: str) -> dict[str, Any]:
    with Reader(store) as reader:
        return output.run_facts(reader, run)


def played(bench: Bench, name: str, running: LoopbackEndpoint, **model: Any) -> Life:
    """A run whose worker is played inside this process."""
    store, run = bench.queue(name, running, {}, **model)
    with workers_inside():
        launcher.spawn(store, run)
    return Life(store, run, facts_of(store, run), running.stats())


def resumed(store: Path, run: str) -> dict[str, Any]:
    done = shell("resume", run, "--store", str(store), "--json")
    assert done.returncode == 0, done.stderr
    return last_object(done)


@dataclass(frozen=True)
class Killed:
    """A run whose worker was killed, what was known of it then, and its endpoint, which answers again."""

    store: Path
    run: str
    before: dict[str, Any]
    running: LoopbackEndpoint

    def life(self) -> Life:
        facts = resumed(self.store, self.run)
        return Life(self.store, self.run, {**facts, "before": self.before}, self.running.stats())


def killed_after(bench: Bench, calls: int, running: LoopbackEndpoint) -> Killed:
    """Kill -9 when that many calls were answered and all threads wait for the next answers."""
    running.control(fault_script=[*["ok"] * calls, *["hang"] * 99], hang_s=250)
    store, run = bench.queue(f"killed{calls}", running, {})
    pid = start_process(store, run)
    until(lambda: running.stats()["in_flight"] >= 1 and running.stats()["ok"] == calls)
    # Every thread waits in a program run of which one call may be answered; what else was answered is being written.
    until(lambda: written(store, run) >= calls - running.stats()["in_flight"])
    before = facts_of(store, run)
    os.kill(pid, signal.SIGKILL)
    # The worker leads a session of its own: whatever it has started must be gone with it.
    until(lambda: not alive(pid), 200)
    running.control(fault_script=[])
    return Killed(store, run, before, running)


def written(store: Path, run: str) -> int:
    """Model calls behind all that the store holds; a program run makes two."""
    with Reader(store) as reader:
        return 2 * len(reader.cells(run)) + len(reader.prompt_calls(run))


def alive(group: int) -> bool:
    with suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def failing(bench: Bench) -> Life:
    """Every tenth call fails in one of four ways."""
    faults = {"429": 1.0, "500": 1.0, "drop": 1.0, "hang": 1.0}
    with inside(fail_rate=0.1, fail_kinds=faults, hang_s=250, seed=0) as running:
        return played(bench, "failing", running, timeout_s=0.5)


def down_for_a_while(bench: Bench) -> tuple[Done, Life]:
    """The endpoint goes away after 90 calls; the run is resumed when it is back."""
    store = bench.folder / "down" / "studio.db"
    with inside(fault_script=[*["ok"] * 90, *["drop"] * 999]) as running:
        given = arguments(bench.rows, running.base_url, "--store", str(store), "--minibatch-size", "35", "--json")
        first = shell(*given)
        running.control(fault_script=[])
        run = last_object(first)["run_id"]
        return first, Life(store, run, resumed(store, run), running.stats())


def undisturbed(bench: Bench) -> Life:
    with inside() as running:
        return played(bench, "undisturbed", running)


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
    refused: Done


def searched(bench: Bench, running: LoopbackEndpoint) -> tuple[Path, str, bytes]:
    """A run in which some prompts always fail with the key in the error, and what its files held on the way."""
    running.control(require_key=CANARY, quote_key=True, fail_rate=0.06, fail_kinds={"500": 1.0}, fail_by="prompt")
    program = bench.folder / "leaky.py"
    program.write_text(LEAKY)
    changes = {"retries": 0, "pause_after": 10_000, "program": str(program), "executor": "processes", "processes": 1}
    store, run = bench.queue("quoted", running, changes, api_key_env="DESK_KEY")
    start_process(store, run)
    on_the_way = b""
    # A busy machine may hold a worker up past its lease, so that it is taken for lost and comes back.
    while status(store, run) in (Status.QUEUED, Status.RUNNING, Status.LOST):
        if CANARY.encode() not in on_the_way:
            on_the_way = everything(store.parent)
        time.sleep(0.5)
    return store, run, on_the_way


def quoted(bench: Bench, running: LoopbackEndpoint, store: Path, run: str, on_the_way: bytes) -> Quoted:
    """What is shown of it, and what is said of a request whose key is refused."""
    running.control(require_key="another")
    given = arguments(bench.rows, running.base_url, "--store", str(bench.folder / "refused" / "studio.db"))
    refused = shell(*given, "--api-key-env", "DESK_KEY")
    out = cli("export", run, "--out", str(store.parent / "winner.json"), "--store", str(store))
    shown = shell("show", run, "--store", str(store), "--json")
    said = shown.stdout + shown.stderr + out.stdout + out.stderr
    return Quoted(store, last_object(shown), on_the_way, said, refused)


@pytest.fixture(scope="module", autouse=True)
def started_processes() -> Iterator[None]:
    """Signals, keys and what `/proc` says of a process are what this file is about."""
    with started():
        yield


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("worker"))


@pytest.fixture(scope="module")
def lives(bench: Bench) -> Iterator[dict[str, Any]]:
    """All runs of this file: what is played inside this process is played while the real processes work."""
    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(3) as pool, ExitStack() as endpoints:
        patch.setenv("DESK_KEY", CANARY)
        patch.setenv("LEAKY_SEES", str(bench.folder / "seen.jsonl"))
        patch.setattr(attempts, "FIRST_BACKOFF_S", 0.05)
        one, two, three = (endpoints.enter_context(endpoint()) for _ in range(3))
        early = pool.submit(killed_after, bench, 30, one)
        later = pool.submit(killed_after, bench, 150, two)
        quoting = pool.submit(searched, bench, three)
        made = {"undisturbed": undisturbed(bench), "failing": failing(bench), "down": down_for_a_while(bench)}
        made |= {"early": early.result().life(), "in search": later.result().life()}
        yield {**made, "quoted": quoted(bench, three, *quoting.result())}


def the_same(life: Life, plain: Life) -> None:
    """Nothing of what disturbed a run is to be seen in what it found."""
    for name in ("status", "winner", "best_val", "baseline_val", "best_test", "program_runs", "trials", "cells"):
        assert life.facts[name] == plain.facts[name], name
    assert life.cells == plain.cells


def test_every_call_the_endpoint_counts_is_in_the_runs_own_count(lives: dict[str, Any]) -> None:
    plain: Life = lives["undisturbed"]
    assert plain.facts["status"] == "completed", plain.facts
    counted = sum(plain.facts["lm_calls"].values()) + plain.facts["test_lm_calls"] - REHEARSED
    assert counted == plain.stats["total"] == plain.stats["ok"]


@pytest.mark.parametrize("moment", ["early", "in search"])
def test_a_killed_worker_loses_only_what_was_under_way(lives: dict[str, Any], moment: str) -> None:
    plain: Life = lives["undisturbed"]
    life: Life = lives[moment]
    searching = life.facts["before"]["baseline_val"] is not None
    assert searching == (moment == "in search"), life.facts["before"]
    the_same(life, plain)
    assert plain.stats["total"] <= life.stats["total"] <= plain.stats["total"] + LOST_CALLS
    with Reader(life.store) as reader:
        assert reader.run(life.run).lives == 2


def test_a_failing_endpoint_changes_no_score(lives: dict[str, Any]) -> None:
    plain: Life = lives["undisturbed"]
    life: Life = lives["failing"]
    assert set(life.stats["failed_by_kind"]) == {"429", "500", "drop", "hang"}, life.stats
    assert life.facts["cells"]["error"] == 0, life.facts["errors"]
    the_same(life, plain)
    # What failed was paid for as well, and is counted.
    counted = sum(life.facts["lm_calls"].values()) + life.facts["test_lm_calls"] - REHEARSED
    assert counted == life.stats["total"]


def test_an_endpoint_that_is_down_pauses_the_run_until_it_is_back(lives: dict[str, Any]) -> None:
    first, life = lives["down"]
    paused = last_object(first)
    assert (first.returncode, paused["status"]) == (3, "paused"), first.stderr
    assert paused["reason"].startswith("10 model calls in a row failed (connection)")
    assert (paused["winner"], paused["error"]) == (None, None)
    assert not [score for key, score in life.cells.items() if score is None]
    the_same(life, lives["undisturbed"])


def test_a_key_that_the_endpoint_quotes_is_written_nowhere(bench: Bench, lives: dict[str, Any]) -> None:
    quoted: Quoted = lives["quoted"]
    folder = quoted.store.parent
    assert quoted.facts["errors"].get("server", 0) > 0, quoted.facts
    with Reader(quoted.store) as reader:
        assert HIDDEN in str(reader.recent_errors(quoted.facts["run_id"])), "the endpoint did not quote the key"
    assert (folder / "winner.json").is_file() and quoted.facts["winner"]
    written = everything(folder)
    log = (folder / "logs" / f"{quoted.facts['run_id']}.log").read_text()
    assert log.splitlines()[1:4] == [HIDDEN] * 3
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*")}
    assert modes == {0o600, 0o700}, "somebody else could read it"
    assert HIDDEN.encode() in written and b"DESK_KEY" in written
    assert CANARY.encode() not in quoted.on_the_way + written
    assert quoted.refused.returncode == 2 and HIDDEN in quoted.refused.stderr
    assert CANARY not in quoted.shown
    assert CANARY not in quoted.refused.stdout + quoted.refused.stderr
    assert not (bench.folder / "refused").exists()


def test_no_key_is_in_a_command_line_nor_with_a_process_that_needs_none(bench: Bench, lives: dict[str, Any]) -> None:
    lines = (bench.folder / "seen.jsonl").read_text().splitlines()
    seen = [json.loads(line) for line in lines]
    cells = "optimizer_core.evaluation.cell_worker"
    assert any(name == cells for one in seen for name, _, _ in one["ours"]), "seen from both processes that import it"
    found = {(name, listed, given) for one in seen for name, listed, given in one["ours"]}
    assert not [name for name, listed, _ in found if listed]
    needs = {"worker", "control.supervisor", cells}
    assert {name for name, _, given in found if given} == needs
    assert "control.optuna_sync" in {name for name, _, _ in found}
    assert {one["inherited"] for one in seen} == {""}, "a child of the program was given the key of the run's model"
