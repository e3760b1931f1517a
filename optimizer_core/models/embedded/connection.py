"""Find the embedded model's live server, or start one."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final

import httpx

from mipro_studio import command
from mipro_studio.optimizer_core.environment import helper_environment
from mipro_studio.optimizer_core.errors import ModelUnavailable
from mipro_studio.optimizer_core.models.embedded.hashes import require_as_made
from mipro_studio.optimizer_core.models.embedded.runtime import (
    ServerLayout,
    ServerPaths,
    ServerState,
    open_lock,
    read_state,
    server_paths,
    wait_lock,
)
from mipro_studio.optimizer_core.models.embedded.weights import weights_path

__all__ = ["Connection", "connect"]

_POLL_S: Final = 0.05
_HEALTH_TIMEOUT_S: Final = 5.0
_LOG_TAIL_CHARS: Final = 300


@dataclass(frozen=True)
class Connection:
    """A live server and this client's claim on it.

    ``base_urls`` are like ``http://127.0.0.1:PORT``, one per lane with ``slots`` slots each, and ``api_key``
    their bearer token. While the claim is open the server stays; :meth:`close` or the death of this process
    gives it up.
    """

    base_urls: tuple[str, ...]
    slots: int
    api_key: str = field(repr=False)
    server_pid: int
    _claim: IO[str] = field(repr=False, compare=False)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}

    def close(self) -> None:
        """Give up the claim; the server leaves once it has been without claims for its idle limit."""
        self._claim.close()


def connect(weights: Path | None = None, adapters: Sequence[Path] = (), *, timeout_s: float = 120.0) -> Connection:
    """A connection to the machine's server for ``weights`` (default: :func:`weights_path`) with ``adapters``.

    Raises :class:`optimizer_core.errors.ModelUnavailable` when no server answers in ``timeout_s``
    seconds, with the end of the server's log when it died; or when an adapter is not what was trained.
    """
    path = weights if weights is not None else weights_path()
    for adapter in adapters:
        require_as_made(adapter)
    deadline = time.monotonic() + timeout_s
    layout = ServerLayout.of_this_machine()
    paths = server_paths(path, layout, adapters)
    with open_lock(paths.guard) as guard:
        if not wait_lock(guard, timeout_s):
            raise _unavailable("another process is still starting it", paths)
        claim = open_lock(paths.clients)
        try:
            if not wait_lock(claim, max(0.0, deadline - time.monotonic()), shared=True):
                raise _unavailable("its client lock is stuck", paths)
            state = read_state(paths)
            if state is None or not _healthy(state):
                state = _spawn(path, adapters, paths, deadline)
        except BaseException:
            claim.close()
            raise
    return Connection(state.base_urls, layout.slots, state.api_key, state.pid, claim)


def _spawn(weights: Path, adapters: Sequence[Path], paths: ServerPaths, deadline: float) -> ServerState:
    """Start a detached server and wait until it is healthy. The caller holds the guard lock."""
    paths.state.unlink(missing_ok=True)
    loaded = [part for adapter in adapters for part in ("--adapter", str(adapter))]
    serve = command("optimizer_core.models.embedded.server", str(weights), *loaded)
    with paths.log.open("wb") as log:
        process = subprocess.Popen(
            serve,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=helper_environment(),  # all runs of this machine share it: it is given nobody's keys
        )
    while time.monotonic() < deadline:
        state = read_state(paths)
        if state is not None and _healthy(state):
            return state
        # Exit code 0 means that a server which is not healthy yet is already there: keep waiting.
        if process.poll() not in (None, 0):
            raise _unavailable(f"the server process ended with code {process.returncode}", paths)
        time.sleep(_POLL_S)
    raise _unavailable("it did not answer in time", paths)


def _healthy(state: ServerState) -> bool:
    """Whether our server answers there. ``/slots`` needs the key, so a stranger on a reused port fails."""
    headers = {"Authorization": f"Bearer {state.api_key}"}
    try:
        with httpx.Client(headers=headers, timeout=_HEALTH_TIMEOUT_S, trust_env=False) as client:
            answers = [client.get(f"{base_url}/slots") for base_url in state.base_urls]
        return all(answer.status_code == 200 and isinstance(answer.json(), list) for answer in answers)
    except (httpx.HTTPError, ValueError):
        return False


def _unavailable(reason: str, paths: ServerPaths) -> ModelUnavailable:
    try:
        tail = paths.log.read_text(errors="replace").strip()[-_LOG_TAIL_CHARS:]
    except OSError:
        tail = ""
    detail = f" Its log ends with: {tail}" if tail else ""
    return ModelUnavailable(
        f"The embedded model's server could not be used: {reason}.{detail}",
        f"See {paths.log}, try again, or choose an endpoint model.",
    )
