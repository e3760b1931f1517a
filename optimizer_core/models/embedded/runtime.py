"""Files by which the embedded model's server and its clients find each other.

One folder per (weights file, adapters, engine version, server layout) in the user's cache holds:

* ``state.json`` (0600): addresses of its lanes, API key and process id of the live server;
* ``guard.lock``: held exclusively while a client looks for or starts a server, and while the
  server decides to leave, so the two never cross;
* ``clients.lock``: held SHARED by every client for as long as it lives; the kernel frees it on
  any kind of death, so a server that gets it exclusively has no clients;
* ``server.lock``: held by the live server, so that there is never a second one.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Final

import platformdirs

from mipro_studio.optimizer_core.models.embedded.weights import APP_NAME

__all__ = [
    "IDLE_ENV",
    "ServerLayout",
    "ServerPaths",
    "ServerState",
    "idle_limit_s",
    "open_lock",
    "read_state",
    "server_paths",
    "try_lock",
    "wait_lock",
    "write_state",
]

IDLE_ENV: Final = "MIPRO_STUDIO_EMBEDDED_IDLE_S"
_IDLE_DEFAULT_S: Final = 60.0
_LOCK_POLL_S: Final = 0.05
_SLOTS: Final = 8


@dataclass(frozen=True)
class ServerLayout:
    """How the server divides the machine. Part of the folder's key: a change means a new server.

    The server process holds ``lanes`` copies of llama.cpp over the same mapped weights, one thread each.
    Two threads that share one small model meet at a barrier some thousand times a second. On two cores, two
    lanes answer a quarter more short calls than one lane of two threads and write texts as fast; beside a
    busy neighbour they answer two thirds more and write in two thirds of the time (`benchmarks/embedded/lanes.py`).

    Each lane keeps ``slots`` sequences, each with ``context`` tokens of its own. One cached token takes
    23 KiB, so the whole cache takes ``lanes * slots * context * 23`` KiB (369 MiB).
    """

    lanes: int
    slots: int
    context: int = 2048

    @classmethod
    def of_this_machine(cls) -> ServerLayout:
        """One lane per processor that this process may use, eight slots in all."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        lanes = min(cores, _SLOTS)
        return cls(lanes, _SLOTS // lanes)


@dataclass(frozen=True)
class ServerPaths:
    """The files of one server; see the module docstring."""

    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def guard(self) -> Path:
        return self.folder / "guard.lock"

    @property
    def clients(self) -> Path:
        return self.folder / "clients.lock"

    @property
    def server(self) -> Path:
        return self.folder / "server.lock"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"


@dataclass(frozen=True)
class ServerState:
    """What a client needs to talk to the live server."""

    base_urls: tuple[str, ...]
    api_key: str
    pid: int


def idle_limit_s() -> float:
    """Seconds without clients after which a server leaves; ``MIPRO_STUDIO_EMBEDDED_IDLE_S`` overrides."""
    try:
        return max(0.1, float(os.environ.get(IDLE_ENV, _IDLE_DEFAULT_S)))
    except ValueError:
        return _IDLE_DEFAULT_S


def server_paths(weights: Path, layout: ServerLayout, adapters: Sequence[Path] = ()) -> ServerPaths:
    """The folder of the server for these weights and adapters, created private to the user."""
    loaded = [str(adapter.resolve()) for adapter in adapters]
    key = json.dumps([str(weights.resolve()), version("xllamacpp"), asdict(layout), *([loaded] if loaded else [])])
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    folder = platformdirs.user_cache_path(APP_NAME) / "embedded-server" / digest
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return ServerPaths(folder)


def read_state(paths: ServerPaths) -> ServerState | None:
    """The recorded server, or None when there is none or the record is not readable."""
    try:
        data = json.loads(paths.state.read_text())
        return ServerState(tuple(map(str, data["base_urls"])), str(data["api_key"]), int(data["pid"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_state(paths: ServerPaths, state: ServerState) -> None:
    """Publish the server atomically in a file only this user can read: it holds the API key."""
    part = paths.state.with_suffix(f".{state.pid}.part")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        json.dump(asdict(state), handle)
    part.replace(paths.state)


def open_lock(path: Path) -> IO[str]:
    """Open a lock file without truncating it; closing the handle frees the lock."""
    return path.open("a")


def try_lock(handle: IO[str], *, shared: bool = False) -> bool:
    """Take the lock now, or answer False."""
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def wait_lock(handle: IO[str], timeout_s: float, *, shared: bool = False) -> bool:
    """Take the lock within ``timeout_s`` seconds, or answer False."""
    deadline = time.monotonic() + timeout_s
    while not try_lock(handle, shared=shared):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOCK_POLL_S)
    return True
