"""The process beside a worker: no key gets past it into the log, and it ends what a run leaves behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from mipro_studio import ROOT, command
from mipro_studio.control.family import Family
from mipro_studio.optimizer_core.secrets import HIDDEN
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Store, lock_holder
from mipro_studio.storage.lifecycle import status_of
from tests.storage.samples import queued
from tests.waits import until

KEY = "canary-0123456789"
pytestmark = pytest.mark.timeout(300)

BEGIN = """
import os, subprocess, sys, time
from pathlib import Path
from mipro_studio.control.worker_children import Keeper
keeper = Keeper(Path(os.environ.get("STORE", "nowhere.db")), os.environ.get("RUN", "run"), "life-1", ["DESK"])
key = os.environ["DESK"]
LITERAL = "canary-in-the-code"
"""


class Working:
    """A process with a keeper, its log, and what it tells on a pipe of its own."""

    def __init__(self, folder: Path, code: str, keep: Sequence[int] = (), **more: str) -> None:
        self.log = folder / "run.log"
        told, tell = os.pipe()
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", BEGIN + code.replace("TELL", str(tell))],
                cwd=ROOT,
                env={**os.environ, "DESK": KEY, **more},
                stdout=out,
                stderr=out,
                pass_fds=[tell, *keep],
                start_new_session=True,
            )
        os.close(tell)
        self._told = os.fdopen(told)

    def told(self) -> str:
        return self._told.readline().strip()

    def said(self, until: str) -> str:
        """The log, once `until` stands in it."""
        deadline = time.monotonic() + 120
        while until not in self.log.read_text(errors="replace"):
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")
            time.sleep(0.02)
        return self.log.read_text(errors="replace")


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[Working]]:
    made: list[Working] = []
    yield made
    for one in made:
        one.process.kill()
        one.process.wait()


def gone(pid: int) -> bool:
    """Whether the process has ended, be it that nobody has asked for its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 120
    while not gone(pid):
        assert time.monotonic() < deadline, f"{pid} is still there"
        time.sleep(0.02)


WAYS = {
    "print": "print('a', key, flush=True)",
    "standard error": "print('a', key, file=sys.stderr, flush=True)",
    "descriptor": "os.write(1, f'a {key}.'.encode())",
    "child": "subprocess.run(['printenv', 'DESK'])",
    "shell": "os.system('echo $DESK >&2')",
    "in pieces": "[(os.write(1, letter.encode()), time.sleep(0.005)) for letter in key]",
    "more than a pipe holds": "os.write(1, b'x' * 200_000 + key.encode() + b'y' * 200_000)",
    "after its death": "time.sleep(0.4); keeper._process.kill(); keeper._process.wait(); keeper.tend(); print(key)",
}
LAST_WAYS = {
    "killed": "os.write(1, key.encode()); os.kill(os.getpid(), 9)",
    "crashed": "print(key, flush=True); import faulthandler; faulthandler._sigsegv()",
    "failed": "raise RuntimeError(f'401: {key}')",
    "left to a child": "subprocess.Popen(['sh', '-c', 'sleep 0.3; echo $DESK; sleep 30']); time.sleep(0.6)",
}


def test_no_key_gets_into_the_log_whoever_writes_it(tmp_path: Path, started: list[Working]) -> None:
    code = "\n".join(f"print('{name}:', flush=True)\n{code}" for name, code in WAYS.items())
    wrapped = "import io; sys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8'); print('wrapped:', key)"
    started.append(Working(tmp_path, f"{code}\n{wrapped}\nprint('the end')"))
    said = started[0].said("the end")
    for name, after in zip(WAYS, [*list(WAYS)[1:], "the end"], strict=True):
        assert HIDDEN in said[said.index(f"{name}:") : said.index(f"{after}")], name
    assert f"wrapped: {HIDDEN}" in said  # a program may wrap standard output, as scripts do for the sake of Windows
    assert "canary" not in said


def test_no_key_of_the_programs_own_code_gets_into_the_log(tmp_path: Path, started: list[Working]) -> None:
    code = """
from mipro_studio.optimizer_core.secrets import learn
learn(LITERAL)
print("first", LITERAL, flush=True)
os.read(int(os.environ["GO"]), 1)
keeper._process.kill(); keeper._process.wait(); keeper.tend()
print("second", LITERAL, "the end", flush=True)
"""
    wait, go = os.pipe()
    os.set_inheritable(wait, True)
    started.append(Working(tmp_path, code, GO=str(wait), keep=[wait]))
    assert f"first {HIDDEN}" in started[0].said("first")
    os.write(go, b".")
    said = started[0].said("the end")
    assert f"second {HIDDEN} the end" in said and "canary" not in said


@pytest.mark.parametrize("way", LAST_WAYS)
def test_no_key_gets_into_the_log_however_the_worker_ends(tmp_path: Path, started: list[Working], way: str) -> None:
    started.append(Working(tmp_path, LAST_WAYS[way]))
    started[0].process.wait(120)
    assert "canary" not in started[0].said(HIDDEN)


def test_what_a_killed_worker_wrote_last_is_in_the_log(tmp_path: Path, started: list[Working]) -> None:
    working = Working(tmp_path, "print('the last words', flush=True); os.kill(os.getpid(), 9)")
    started.append(working)
    assert "the last words" in working.said("last words")


CHILDREN = {
    "plain": "['sleep', '60']",
    "deaf": "[sys.executable, '-c', 'import signal, time; signal.signal(15, 1); print(1); time.sleep(60)']",
    "in a session of its own": "['setsid', 'sleep', '60']",
    "with a child of its own": "['sh', '-c', 'sleep 60 & sleep 61']",
}
ORPHAN = "import os, sys, time; os.fork() and os._exit(0); os.setsid(); os.fork() and os._exit(0); "
"""A daemon, as they make themselves: two forks, a session of its own."""


@pytest.mark.parametrize("end", ["sys.exit(0)", "os.kill(os.getpid(), 9)"])
def test_children_of_a_program_end_with_the_worker(tmp_path: Path, started: list[Working], end: str) -> None:
    code = f"""
children = [subprocess.Popen(one) for one in [{", ".join(CHILDREN.values())}]]
time.sleep(0.5)
os.write(TELL, " ".join(str(one.pid) for one in children).encode() + b"\\n")
{end}
"""
    started.append(Working(tmp_path, code))
    pids = [int(pid) for pid in started[0].told().split()]
    assert len(pids) == len(CHILDREN)
    started[0].process.wait(120)
    for pid in pids:
        wait_gone(pid)
    assert not [one for one in Path("/proc").iterdir() if b"MIPRO_LIFE=life-1\0" in _environment(one)]


@pytest.mark.parametrize("end", ["sys.exit(0)", "os.kill(os.getpid(), 9)"])
def test_a_daemon_without_the_runs_session_and_environment_ends_with_the_worker(
    tmp_path: Path, started: list[Working], end: str
) -> None:
    code = f"""
daemon = {ORPHAN!r} + f"os.write({{TELL}}, str(os.getpid()).encode() + bytes([10])); time.sleep(60)"
subprocess.run([sys.executable, "-c", daemon], env={{}}, pass_fds=[TELL])
for word in ("one", "two", "three"):
    print(word, flush=True)
    os.read(int(os.environ["GO"]), 1)
{end}
"""
    wait, go = os.pipe()
    os.set_inheritable(wait, True)
    started.append(Working(tmp_path, code, GO=str(wait), keep=[wait]))
    pid = int(started[0].told())
    for word in ("one", "two", "three"):
        started[0].said(word)
        time.sleep(0.6)  # the keeper looks twice a second, after what it writes: before it writes the third anyway
        assert not gone(pid)
        os.write(go, b".")
    started[0].process.wait(120)
    wait_gone(pid)


def test_the_helpers_of_a_run_are_no_children_of_its_program() -> None:
    helper = subprocess.Popen(command("control.supervisor"), stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    other = subprocess.Popen(["sleep", "60"])
    try:
        family = Family(os.getpid())
        family.look()
        family.look()
        assert other.pid in family.living() and helper.pid not in family.living()
        other.kill()
        other.wait()
        assert other.pid not in family.living()
    finally:
        helper.kill()
        helper.wait()


@pytest.mark.parametrize("asked", [False, True])
def test_a_worker_that_never_lets_go_of_the_store_is_ended(
    tmp_path: Path, started: list[Working], asked: bool
) -> None:
    code = """
import ctypes
from mipro_studio.storage import Store
store = Store(Path(os.environ["STORE"]))
assert store.claim(os.environ["RUN"], "life-1", 60.0)
store.db.execute("begin immediate")
os.write(TELL, b"writing\\n")
ctypes.PyDLL(None).sleep(100_000)  # keeps Python's lock
"""
    path = tmp_path / "studio.db"
    with Store(path) as store:
        run = queued(store)
    started.append(Working(tmp_path, code, STORE=str(path), RUN=run))
    assert started[0].told() == "writing"
    found = lock_holder(path)
    assert found is not None and found.pid == started[0].process.pid
    with Store(path, busy_s=120) as store:
        if asked:
            store.command(run, "stop")  # waits for the lock
        started[0].process.wait(120)
        until(lambda: status_of(store.db, run) is not Status.RUNNING, 120)
        store.sweep()  # writes again
        assert status_of(store.db, run) is (Status.STOPPED if asked else Status.LOST)
        assert not store.pending_commands(run)
    assert lock_holder(path) is None


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes() + b"\0"
    except OSError:
        return b""


def test_the_keeper_ends_once_the_worker_has_and_not_when_it_is_asked(tmp_path: Path, started: list[Working]) -> None:
    code = "os.write(TELL, f'{keeper._process.pid}\\n'.encode()); print('ready', flush=True); time.sleep(60)"
    working = Working(tmp_path, code)
    started.append(working)
    pid = int(working.told())
    working.said("ready")
    os.kill(pid, signal.SIGTERM)
    time.sleep(0.3)
    assert not gone(pid)
    working.process.kill()
    wait_gone(pid)


def test_a_worker_that_closes_its_output_is_kept_all_the_same(tmp_path: Path, started: list[Working]) -> None:
    code = """
os.write(TELL, f"{keeper._process.pid}\\n".encode())
os.close(1), os.close(2)
time.sleep(0.8)
child = subprocess.Popen(['sleep', '60'])
os.write(TELL, f"{child.pid}\\n".encode())
os._exit(0)
"""
    working = Working(tmp_path, code)
    started.append(working)
    keeper, child = int(working.told()), int(working.told())
    wait_gone(child)
    wait_gone(keeper)
