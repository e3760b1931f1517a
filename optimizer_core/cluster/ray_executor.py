"""Program runs on the nodes of a Ray cluster: the processes of `ProcessExecutor`, each of them an actor of Ray's.

What travels: the folder of the program (Ray ships it as the job's working directory), the run's settings, and rows as
they are asked for. What does not: keys. Each node calls models with the environment that it was started with.

An actor connects back to the run's process, and both speak as with any other process (`frames`): the same limits of
endpoints, the same caps lent call by call, the same errors. A node that dies costs what was under way on it: those
rows are run again elsewhere.
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
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput, RunFailed
from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.evaluation.process_executor import ProcessExecutor
from mipro_studio.optimizer_core.evaluation.worker_process import Place, WorkerProcess

__all__ = ["join", "ray_executor"]

CALL_BACK_S = 120.0
"""Seconds that an actor has to connect, once it runs."""
TOKEN_BYTES = 32
STAYS = (".?*", "venv", "node_modules", "__pycache__", "*.db", "*.mipro")
"""What of the program's folder does not travel: what is hidden (stores, keys in `.env`), and what is large."""


def ray_executor(place: Place, pool: WorkPool) -> ProcessExecutor:
    """An executor over the cluster that `RAY_ADDRESS` names, or over one of this machine where it names none.

    Raises:
        BadInput: Ray is not installed, or the program lies outside the folder that travels.
        RunFailed: the cluster cannot be joined.
    """
    config = _at_home(place.config, place.base)
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


def _at_home(config: RunConfig, base: Path) -> RunConfig:
    """The settings with paths that hold in the copy of `base` on a node.

    Raises:
        BadInput: the program or the metric lies elsewhere.
    """
    changed = {}
    for name in ("program", "metric"):
        said = getattr(config, name)
        path, *rest = (said or "").split(":", 1)
        if path.endswith(".py") and Path(path).is_absolute():
            if not Path(path).is_relative_to(base.resolve()):
                raise BadInput(
                    f"{path!r} lies outside of {str(base)!r}, the folder that travels to the nodes.",
                    "Start the run in the folder of the program.",
                )
            changed[name] = ":".join([str(Path(path).relative_to(base.resolve())), *rest])
    return config.model_copy(update=changed)


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

        self.may_lose_its_machine = True
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

    async def connect(self) -> None:
        """Wait until the actor calls; it may stand in Ray's queue for as long as no node has a processor for it."""
        ended = asyncio.wrap_future(self._served.future())
        ended.add_done_callback(self._note_end)
        called = asyncio.ensure_future(self._called())
        await asyncio.wait({ended, called}, return_when=asyncio.FIRST_COMPLETED)
        self._listening.close()
        if not called.done() or called.exception() is not None:
            called.cancel()
            self._ended_unheard()
            return
        await asyncio.get_running_loop().create_connection(lambda: self, sock=called.result())

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

    def _ended_unheard(self) -> None:
        self.lender.gone()
        self._listener.ended(self)

    def _note_end(self, ended: "asyncio.Future[None]") -> None:
        if not ended.cancelled() and (error := ended.exception()) is not None:
            self._why = f"ended ({str(error).strip().splitlines()[0][:200]})"

    def kill(self) -> None:
        self.killed = True
        self._reap()
        if self._transport is not None:
            self._transport.abort()

    def _reap(self) -> None:
        """Let Ray end the actor's process, and forget it."""
        with suppress(RuntimeError, ValueError, self._ray.exceptions.RayError):  # the cluster is gone, and it with it
            self._ray.kill(self._actor)

    def close(self) -> None:
        self._listening.close()
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
