"""Program runs on the nodes of a Ray cluster: the processes of `ProcessExecutor`, each of them an actor of Ray's.

What travels: the folder of the program (Ray ships it as the job's working directory), the run's settings, and rows as
they are asked for. What does not: keys. Each node calls models with the environment that it was started with.

An actor connects back to the run's process, and both speak as with any other process (`frames`): the same limits of
endpoints, the same caps lent call by call, the same errors. A node that dies costs what was under way on it: those
rows are run again elsewhere. It is noticed when the connection ends, or when Ray says that the actor has: a machine
without power closes no connection.
"""

import asyncio
import hmac
import logging
import os
import secrets
import socket
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from mipro_studio import ROOT
from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.errors import BadInput, RunFailed
from mipro_studio.optimizer_core.evaluation.executor import OF_EXECUTOR
from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.evaluation.process_executor import ProcessExecutor
from mipro_studio.optimizer_core.evaluation.worker_process import Place, WorkerProcess

__all__ = ["join", "ray_executor"]

log = logging.getLogger(__name__)

CALL_BACK_S = 120.0
"""Seconds that an actor has to connect, once it runs."""
QUEUED_S = 60.0
"""Seconds that an actor waits for a node before the log says so."""
WHY_S = 60.0
"""Seconds that Ray has to say what ended an actor; it looks after its nodes every few seconds."""
NODE_DIED = "node has died"
"""In Ray's words for an actor that ended with its node; they have no other mark."""
TOKEN_BYTES = 32
STAYS = (".?*", "venv", "node_modules", "__pycache__", "*.db", "*.mipro")
"""What of the program's folder does not travel: what is hidden (stores, keys in `.env`), and what is large."""


def ray_executor(place: Place, pool: WorkPool) -> ProcessExecutor:
    """An executor over the cluster that `RAY_ADDRESS` names, or over one of this machine where it names none.

    Raises:
        BadInput: Ray is not installed, or the program lies outside the folder that travels.
        RunFailed: the cluster cannot be joined.
    """
    config = _in_the_copy(place.config, place.base)
    ray = join(place.base)
    processors = int(ray.cluster_resources().get("CPU", 1))
    wanted = min(config.processes or processors, max(processors, 1))
    return ProcessExecutor(replace(place, config=config), wanted, pool, RayWorker)


def join(folder: Path) -> Any:
    """The module `ray`, connected; `folder` is what the nodes get.

    Raises:
        BadInput: Ray is not installed.
        RunFailed: the cluster cannot be joined.
    """
    try:
        import ray
    except ImportError as error:
        raise BadInput("Rows on a Ray cluster need the package ray.", "Install mipro-studio[ray].") from error
    if ray.is_initialized():
        return ray
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    travels = {"working_dir": str(folder.resolve()), "excludes": list(STAYS)}
    try:
        ray.init(runtime_env=travels, include_dashboard=False, logging_level=logging.WARNING, configure_logging=False)
    except (RuntimeError, ValueError, ConnectionError, OSError) as error:
        words = f"The Ray cluster could not be joined: {type(error).__name__}: {str(error)[:300]}."
        raise RunFailed(words, "Check RAY_ADDRESS; without it a cluster of this machine is started.") from error
    return ray


def _in_the_copy(config: RunConfig, base: Path) -> RunConfig:
    """The settings with every path below `base` as it is found from the copy of `base` on a node.

    Raises:
        BadInput: the program or the metric lies elsewhere.
    """
    home = str(base.resolve())
    for said in (config.program, config.metric or ""):
        path = said.split(":", 1)[0]
        if path.endswith(".py") and Path(path).is_absolute() and not Path(path).is_relative_to(home):
            raise BadInput(
                f"{path!r} lies outside of {home!r}, the folder that travels to the nodes.",
                "Start the run in the folder of the program.",
            )
    return parse_config(_relative(config.model_dump(mode="json"), home))


def _relative(value: Any, home: str) -> Any:
    if isinstance(value, dict):
        return {name: _relative(item, home) for name, item in value.items()}
    if isinstance(value, list):
        return [_relative(item, home) for item in value]
    if isinstance(value, str) and (value + "/").startswith(home + "/"):
        return value[len(home) + 1 :] or "."
    return value


def _seat(ray: Any) -> Any:
    """The class of the actors. It is told where to call, and runs rows until the other end is closed."""

    class Seat:
        def serve(self, host: str, port: int, token: bytes) -> None:
            from mipro_studio.optimizer_core.evaluation.cell_worker import serve_on

            sock = socket.create_connection((host, port), CALL_BACK_S)
            sock.settimeout(None)
            sock.sendall(token)
            serve_on(sock)

    return ray.remote(Seat)


class RayWorker(WorkerProcess):
    """An actor on whatever node has a processor for it."""

    def _begin(self) -> None:
        import ray

        self.machine_lost = None
        self._ray = ray
        self._first[2] = "."
        self._token = secrets.token_bytes(TOKEN_BYTES)
        self._listening = socket.create_server((ray.util.get_node_ip_address(), 0))
        self._listening.setblocking(False)
        host, port = self._listening.getsockname()[:2]
        # A checkout's package is not on the path of a node's processes; an installed one is.
        paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).strip(os.pathsep)
        options = {"num_cpus": 1, "scheduling_strategy": "SPREAD", "runtime_env": {"env_vars": {"PYTHONPATH": paths}}}
        self._actor = _seat(ray).options(**options).remote()
        self._served = self._actor.serve.remote(host, port, self._token)
        self._why = "closed its connection"
        self._ended: asyncio.Future[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Wait until the actor calls; it may stand in Ray's queue for as long as no node has a processor for it."""
        ended = self._ended = asyncio.wrap_future(self._served.future())
        ended.add_done_callback(self._note_end)
        called = asyncio.get_running_loop().create_task(self._called(), name=OF_EXECUTOR)
        try:
            await self._first_of({ended, called})
        finally:
            called.cancel()  # does nothing to what is done
            await asyncio.wait({called})
            self._listening.close()
        if called.cancelled() or called.exception() is not None:
            super().connection_lost(None)
            return
        await asyncio.get_running_loop().create_connection(lambda: self, sock=called.result())
        if ended.done():
            self._transport.abort()

    async def _first_of(self, awaited: "set[asyncio.Future[Any]]") -> None:
        done, _ = await asyncio.wait(awaited, timeout=QUEUED_S, return_when=asyncio.FIRST_COMPLETED)
        if not done:
            log.warning("No node of the cluster has had a free processor for %.0f s (see `ray status`).", QUEUED_S)
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)

    async def _called(self) -> socket.socket:
        """The connection of whoever knows the token."""
        loop = asyncio.get_running_loop()
        while True:
            sock, _ = await loop.sock_accept(self._listening)
            sock.setblocking(False)
            with suppress(OSError, TimeoutError):
                said = await asyncio.wait_for(_exactly(loop, sock, TOKEN_BYTES), CALL_BACK_S)
                if hmac.compare_digest(said, self._token):
                    return sock
            sock.close()

    def _note_end(self, ended: "asyncio.Future[None]") -> None:
        """Ray says that the actor has ended. Where its machine went with it nobody has closed the connection."""
        if not ended.cancelled() and (error := ended.exception()) is not None:
            self.machine_lost = NODE_DIED in str(error)
            self._why = f"ended ({str(error).strip().splitlines()[0][:200]})"
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """Of a row that was under suspicion already only Ray can say whether it or the machine ended the actor."""
        suspect = any(row.suspect for row in self.rows.values())
        if not suspect or self.killed or self._ended is None or self._ended.done():
            super().connection_lost(error)
            return
        why = self._hear_why(self._ended, error)
        self._asking = asyncio.get_running_loop().create_task(why, name=OF_EXECUTOR)

    async def _hear_why(self, ended: "asyncio.Future[None]", error: Exception | None) -> None:
        await asyncio.wait({ended}, timeout=WHY_S)
        super().connection_lost(error)

    def kill(self) -> None:
        self.killed, self.machine_lost = True, False  # it is we who end it
        self._reap()
        if self._transport is not None:
            self._transport.abort()

    def _reap(self) -> None:
        """Let Ray end the actor's process, and forget it."""
        with suppress(RuntimeError, ValueError, self._ray.exceptions.RayError):  # the cluster is gone, and it with it
            self._ray.kill(self._actor)

    def close(self) -> None:
        if self._ended is None:  # nobody listens yet
            self._listening.close()
        if self._asking is not None:
            self._asking.cancel()
        super().close()

    def how_it_ended(self) -> str:
        return self._why


async def _exactly(loop: asyncio.AbstractEventLoop, sock: socket.socket, length: int) -> bytes:
    said = b""
    while len(said) < length:
        piece = await loop.sock_recv(sock, length - len(said))
        if not piece:
            raise ConnectionResetError
        said += piece
    return said
