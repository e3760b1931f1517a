"""The embedded model's server process: one llama.cpp server per machine, shared by all runs.

``python -m optimizer_core.models.embedded.server WEIGHTS`` serves llama.cpp's HTTP API on a free
port of 127.0.0.1 under a random API key, publishes both in the state file (see
:mod:`optimizer_core.models.embedded.runtime`) and leaves when no client has lived for a while.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import secrets
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from mipro_studio.optimizer_core.models.embedded.repack import fast_copy
from mipro_studio.optimizer_core.models.embedded.runtime import (
    ServerLayout,
    ServerPaths,
    ServerState,
    idle_limit_s,
    open_lock,
    read_state,
    server_paths,
    try_lock,
    write_state,
)

__all__ = ["main"]

# Every keep-alive connection occupies one of llama.cpp's HTTP threads; they sleep, so have plenty.
_HTTP_THREADS: Final = 64


def main(argv: list[str] | None = None) -> int:
    """Serve until idle. Exit code 0 also when another server for the same weights is already live."""
    parser = argparse.ArgumentParser(prog="python -m mipro_studio.optimizer_core.models.embedded.server")
    parser.add_argument("weights", type=Path)
    parser.add_argument("--adapter", type=Path, action="append", default=[], dest="adapters")
    asked = parser.parse_args(argv)
    layout = ServerLayout.of_this_machine()
    paths = server_paths(asked.weights, layout, asked.adapters)
    with open_lock(paths.server) as alive:
        if not try_lock(alive):
            return 0
        api_key = secrets.token_urlsafe(32)
        lanes = [_start(asked.weights, asked.adapters, layout, api_key) for _ in range(layout.lanes)]
        state = ServerState(tuple(str(lane.listening_address) for lane in lanes), api_key, os.getpid())
        write_state(paths, state)
        _serve_until_idle(paths, state)
        # llama.cpp joins worker threads on destruction, which can take seconds; nobody is connected.
        sys.stdout.flush()
        os._exit(0)


def _start(weights: Path, adapters: Sequence[Path], layout: ServerLayout, api_key: str) -> Any:
    """Load the weights and adapters and listen. The caller keeps the returned ``xllamacpp.Server`` alive.

    A request names the scale of every adapter; one that does not gets them all, at their full scale.
    """
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(fast_copy(weights))
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(str(path), 1.0) for path in adapters]
    params.n_parallel = layout.slots
    params.n_ctx = layout.slots * layout.context
    params.cont_batching = True
    params.cache_prompt = True
    params.cache_ram_mib = 0  # clients pin each prefix to a slot; copies of slots would save nothing
    params.cpuparams.n_threads = 1
    params.cpuparams_batch.n_threads = 1
    params.n_threads_http = _HTTP_THREADS
    params.api_keys = [api_key]
    params.port = 0
    params.ui = False
    params.warmup = False
    params.verbosity = 0
    return xllamacpp.Server(params)


def _serve_until_idle(paths: ServerPaths, state: ServerState) -> None:
    """Return once no client has held ``clients.lock`` for the idle limit, with the state withdrawn."""
    limit = idle_limit_s()
    pause = min(1.0, limit / 4)
    last_seen = time.monotonic()
    with open_lock(paths.guard) as guard, open_lock(paths.clients) as clients:
        while True:
            time.sleep(pause)
            # A client joins only under the guard, so under the guard nobody can join while we look.
            if not try_lock(guard):
                last_seen = time.monotonic()
                continue
            if not try_lock(clients):
                last_seen = time.monotonic()
            elif time.monotonic() - last_seen >= limit:
                if read_state(paths) == state:
                    paths.state.unlink(missing_ok=True)
                return
            _unlock(clients)
            _unlock(guard)


def _unlock(handle: Any) -> None:
    import fcntl

    with contextlib.suppress(OSError):
        fcntl.flock(handle, fcntl.LOCK_UN)


if __name__ == "__main__":
    raise SystemExit(main())
