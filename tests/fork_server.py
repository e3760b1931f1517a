"""Processes of ours that are forked from one that has imported what they need, instead of started.

A process of the studio spends one to two seconds of a processor on imports before it does anything. `forked()` takes
nothing else away: what `subprocess.Popen` makes of a command line of `mipro_studio.command` is still a child of its
own, with the environment, folder, session and descriptors that it was given, whose exit code is its parent's to read.
What a process starts in its turn is forked as well.

Not the same is what others see of it: its command line in `/proc` is the fork server's, and so is the environment
there. Tests of that, of imports, and of how a process is started ask for the fixture `started_processes`.
"""

import array
import atexit
import ctypes
import gc
import importlib
import inspect
import json
import os
import runpy
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from mipro_studio import command
from mipro_studio.optimizer_core.environment import helper_environment

__all__ = ["forked", "main", "started"]

IMPORTED = (
    "worker",
    "commands.helper_server",
    "control.exports",
    "control.optuna_sync",
    "control.supervisor",
    "optimizer_core.evaluation.cell_worker",
    "optimizer_core.models.embedded",
)
IMPORTED_FOR = {"streamlit": ("streamlit.web.cli", "streamlit.web.bootstrap", "mipro_studio.ui.page.of_run")}
"""What few ask for is imported before the first of them is forked."""
STARTING = ("worker", "benchmarks.peers.process", "-m tests.kills.doomed", "-m streamlit")
"""Processes that start others, which are forked for them in the same way."""
_OURS = command("")[:3]
_OF_TESTS = [sys.executable, "-m"]
_SET_CHILD_SUBREAPER, _GET_CHILD_SUBREAPER = 36, 37
_execute_child = subprocess.Popen._execute_child  # type: ignore[attr-defined]
_signature = inspect.signature(_execute_child)


@dataclass(frozen=True)
class Start:
    """What a process is started with.

    Attributes:
        arguments: A module of `mipro_studio` and what its `main` is given, or `-m`, a module and its arguments.
        targets: Its descriptors, in the order in which they are sent.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    folder: str
    session: bool
    targets: Sequence[int]


class ForkServer:
    """The process that forks, as its parent sees it. Its children become ours, because it lets them be orphans."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._lock = threading.Lock()

    @classmethod
    def started(cls) -> "ForkServer":
        """A new process, which has imported everything when it answers for the first time."""
        ours, theirs = socket.socketpair()
        with theirs:
            subprocess.Popen(
                command("tests.fork_server", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                env=helper_environment(),
            )
        return cls(ours)

    @classmethod
    def forked(cls) -> "ForkServer":
        """A fork of this process, which has no threads yet."""
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            ours.close()
            os.setsid()
            serve(theirs)
            raise AssertionError("serve does not return")
        theirs.close()
        return cls(ours)

    def fork(self, start: Start, descriptors: Sequence[int]) -> int | None:
        """A process id of a child of ours; None where the system gives us no orphans, and nothing was begun."""
        told = json.dumps(list(vars(start).values())).encode()
        with self._lock, _adopting():
            self._socket.sendmsg(
                [len(told).to_bytes(4, "big")],
                [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))],
            )
            self._socket.sendall(told)
            pid = int.from_bytes(_exactly(self._socket, 4), "big")
            is_ours = _parent_of(pid) == os.getpid()
            self._socket.sendall(b"y" if is_ours else b"n")
        return pid if is_ours else None


@contextmanager
def _adopting() -> Iterator[None]:
    """Orphans among our descendants become our children meanwhile."""
    prctl, before = ctypes.CDLL(None).prctl, ctypes.c_int()
    prctl(_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_SET_CHILD_SUBREAPER, before.value, 0, 0, 0)


def _parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _exactly(sock: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = sock.recv(size - len(found))
        if not piece:
            raise EOFError("the fork server is gone")
        found += piece
    return found


# In the parent.

_server: ForkServer | None = None
_starting = threading.Lock()


def _the_server() -> ForkServer:
    global _server
    with _starting:
        if _server is None:
            _server = ForkServer.started()
        return _server


def _of_ours(line: Any) -> list[str]:
    """The module and what it is given, of a command line of ours; else nothing."""
    words = list(map(str, line)) if isinstance(line, (list, tuple)) else []
    if words[:3] == _OURS and words[3] != "tests.fork_server":
        return words[3:]
    ours = words[:2] == _OF_TESTS and (words[2] in IMPORTED_FOR or words[2].startswith("tests."))
    return words[1:] if ours else []


def _executed(self: Any, *given: Any) -> None:
    """`Popen._execute_child`, for a process of ours by a fork."""
    asked = _signature.bind(self, *given).arguments
    arguments = _of_ours(asked["args"])
    if not arguments or asked["shell"] or asked["preexec_fn"] is not None or asked["process_group"] != -1:
        return _execute_child(self, *given)
    passed = sorted(map(int, asked["pass_fds"]))
    streams = [
        number if descriptor == -1 else descriptor
        for number, descriptor in enumerate((asked["p2cread"], asked["c2pwrite"], asked["errwrite"]))
    ]
    start = Start(
        arguments,
        dict(os.environ) if asked["env"] is None else {str(k): str(v) for k, v in asked["env"].items()},
        os.fspath(asked["cwd"] or Path.cwd()),
        asked["start_new_session"],
        [0, 1, 2, *passed],
    )
    pid = _the_server().fork(start, [*streams, *passed])
    if pid is None:
        return _execute_child(self, *given)
    self.pid, self._child_created = pid, True
    pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
    return self._close_pipe_fds(*(asked[name] for name in pipes))


def forked() -> AbstractContextManager[Any]:
    """Processes of ours are forked meanwhile."""
    return mock.patch.object(subprocess.Popen, "_execute_child", _executed)


def started() -> AbstractContextManager[Any]:
    """Processes of ours are started meanwhile, as everywhere else."""
    return mock.patch.object(subprocess.Popen, "_execute_child", _execute_child)


# In the fork server, and in what it forks.


def serve(sock: socket.socket) -> None:
    """Fork whatever is asked for, until nobody can ask any more."""
    while True:
        with suppress(EOFError, ConnectionError):
            _one(sock)
            continue
        os._exit(0)


def _one(sock: socket.socket) -> None:
    size, descriptors, _, _ = socket.recv_fds(sock, 4, 64)
    if not size:
        raise EOFError
    size += _exactly(sock, 4 - len(size)) if len(size) < 4 else b""
    start = Start(*json.loads(_exactly(sock, int.from_bytes(size, "big"))))
    for name in IMPORTED_FOR.get(start.arguments[1], ()) if start.arguments[0] == "-m" else ():
        importlib.import_module(name)
    told, tell = os.pipe()  # the pid of the child; and when it may begin
    wait, go = os.pipe()
    middle = os.fork()
    if middle == 0:
        child = os.fork()
        if child:
            os.write(tell, child.to_bytes(4, "big"))
            os._exit(0)
        for descriptor in (told, tell, go):
            os.close(descriptor)
        sock.close()
        if os.read(wait, 1) != b"y":
            os._exit(0)
        os.close(wait)
        _begin(start, descriptors)
    os.waitpid(middle, 0)
    for descriptor in (*descriptors, tell, wait):
        os.close(descriptor)
    sock.sendall(os.read(told, 4))
    os.write(go, sock.recv(1) or b"n")
    os.close(told)
    os.close(go)


def _begin(start: Start, descriptors: Sequence[int]) -> None:
    """Be the process that was asked for; does not return."""
    if start.session:
        os.setsid()
    _put(descriptors, start.targets)
    os.chdir(start.folder)
    os.environ.clear()
    os.environ.update(start.environment)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(write_through="PYTHONUNBUFFERED" in start.environment)  # type: ignore[union-attr]
    if " ".join(start.arguments).startswith(STARTING):
        global _server
        _server = ForkServer.forked()
        subprocess.Popen._execute_child = _executed  # type: ignore[attr-defined]
    try:
        code = _exit_code(_run(list(start.arguments)))
    except SystemExit as ended:
        code = _exit_code(ended.code)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        sys.excepthook(*sys.exc_info())  # type: ignore[arg-type]
        code = 1
    _end(code)


def _run(words: list[str]) -> Any:
    if words[0] != "-m":
        sys.argv[1:] = words
        return importlib.import_module(f"mipro_studio.{words[0]}").main(words[1:])
    sys.argv[1:] = words[2:]
    sys.path.insert(0, str(Path.cwd()))
    return runpy.run_module(words[1], run_name="__main__", alter_sys=True).get("")


def _exit_code(said: Any) -> int:
    if said is None or isinstance(said, int):
        return said or 0
    print(said, file=sys.stderr)
    return 1


def _end(code: int) -> None:
    """What the interpreter does at its end, but for taking everything apart."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code & 0xFF)


def _put(descriptors: Sequence[int], targets: Sequence[int]) -> None:
    """Let the descriptors have the numbers `targets`."""
    import fcntl

    away = [fcntl.fcntl(one, fcntl.F_DUPFD, 400) for one in descriptors]
    for one in descriptors:
        os.close(one)
    for one, target in zip(away, targets, strict=True):
        os.dup2(one, target)
        os.close(one)


def main(arguments: list[str]) -> int:
    sock = socket.socket(fileno=int(arguments[0]))
    importlib.import_module("mipro_studio.tests.sources").look_once()
    for name in IMPORTED:
        importlib.import_module(f"mipro_studio.{name}")
    gc.collect()
    gc.freeze()
    assert threading.active_count() == 1, threading.enumerate()
    serve(sock)
    return 0
