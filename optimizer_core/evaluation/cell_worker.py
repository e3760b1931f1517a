"""A process that fills cells for a run: `main([DESCRIPTOR])`, started by `process_executor`.

It is told the run's settings over the socket DESCRIPTOR, builds program and models once, says that it is ready and
runs the rows that it is sent in threads of its own. It ends when the other end is closed.
"""

import asyncio
import os
import re
import resource
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

# As for a run's worker: LiteLLM would fetch a price list at import.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")

from mipro_studio.optimizer_core import telemetry
from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.data.python_rows import import_classes
from mipro_studio.optimizer_core.environment import keep_keys_back, withhold_of
from mipro_studio.optimizer_core.errors import RunFailed, StudioError
from mipro_studio.optimizer_core.evaluation import frames
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.executor import ThreadExecutor
from mipro_studio.optimizer_core.evaluation.pool import TookTooLong, WorkPool, switch_often
from mipro_studio.optimizer_core.evaluation.runner_assembly import build_runner
from mipro_studio.optimizer_core.evaluation.worker_process import OUT_OF_MEMORY
from mipro_studio.optimizer_core.models.sharing.borrowing import BorrowingMeter
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.parameters.seed_program import seed_program
from mipro_studio.optimizer_core.secrets import tell_learned
from mipro_studio.optimizer_core.types import Role

__all__ = ["main", "serve_on"]

EXIT_S = 2.0
OUT_OF_MEMORY_WORDS = "MemoryError"


def limit_memory(more_mb: int | None) -> None:
    """Let this process, and each of its children, take `more_mb` beyond what this one takes now; None = no limit."""
    if more_mb is None:
        return
    taken = re.search(r"^VmData:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    most = (int(taken[1]) if taken else 0) * 1024 + more_mb * 1024 * 1024
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))


class _Workplace:
    """What one process fills cells with."""

    def __init__(self, config: RunConfig, base: Path, threads: int, channel: frames.Channel) -> None:
        self._config = config
        self.row_memory_mb = config.row_memory_mb
        self._base = base
        self._channel = channel
        self.meter = BorrowingMeter(channel.send)
        program = seed_program(config, base)
        runner = build_runner(config, program, base, self.meter)
        self._executor = ThreadExecutor(WorkPool(threads), runner)
        self._arms: dict[str, ArmContents] = {}

    def take(self, name: str, text: str) -> None:
        """Arms that requests will name."""
        self._arms[name] = ArmContents.parse(text)

    async def fill(self, number: int, data: dict[str, Any], lent: int) -> None:
        """Run the row and send its cell, or why there is none."""
        request = frames.request_of(data, self._arms)
        self.meter.borrow(request.role, lent)
        answer = await self._answer(request)
        self._channel.send(["done", number, self.meter.settle(request.role, lent), answer])

    async def _answer(self, request: CellRequest) -> dict[str, Any]:
        try:
            import_classes(self._config.data, [request.example], self._base)
            cell = await self._executor.run(request)
            if self._config.row_memory_mb is not None and OUT_OF_MEMORY_WORDS in cell.error_message:
                # Whichever row it was that took the memory: all that were under way are run again, one at a time.
                os._exit(OUT_OF_MEMORY)
            return {"cell": frames.cell_as_json(cell)}
        except TookTooLong as late:
            return {"late_s": late.limit_s}
        except StudioError as error:
            return {"error": frames.error_as_json(error)}
        except Exception as error:  # noqa: BLE001 - it is raised again where the cell is waited for
            words = f"A process that runs the program failed: {type(error).__name__}: {error}."
            return {"error": frames.error_as_json(RunFailed(words))}


def _hear(message: list[Any], workplace: _Workplace, loop: asyncio.AbstractEventLoop) -> None:
    """One message, in the thread that receives."""
    match message:
        case ["go", int(number), str(role)]:
            workplace.meter.answer_ask(number, Role(role))
        case ["no", int(number), list(error)]:
            workplace.meter.answer_ask(number, frames.error_of(error))
        case ["arms", str(name), str(text)]:
            workplace.take(name, text)
        case ["row", int(number), dict(data), int(lent)]:
            asyncio.run_coroutine_threadsafe(workplace.fill(number, data, lent), loop)
        case ["halt", error]:
            workplace.meter.halt(None if error is None else frames.error_of(error))


async def _serve(channel: frames.Channel) -> None:
    messages = channel.received()
    first = next(messages, None)
    if first is None:  # nobody needs this process any more
        return
    _, settings, base, threads = first
    withhold_of(settings)
    try:
        workplace = _Workplace(parse_config(settings), Path(base), threads, channel)
    except Exception as error:  # noqa: BLE001 - whatever a person's code raises when it is imported
        channel.send(["unready", frames.error_as_json(RunFailed(f"{type(error).__name__}: {error}"))])
        return
    limit_memory(workplace.row_memory_mb)
    channel.send(["ready"])
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def receive() -> None:
        try:
            for message in messages:
                _hear(message, workplace, loop)
        finally:
            loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=receive, name="receive", daemon=True).start()
    await ended.wait()


def serve_on(sock: socket.socket) -> None:
    """Fill cells for whoever is at the other end of `sock`, until that is closed."""
    keep_keys_back()
    switch_often()
    channel = frames.Channel(sock)
    tell_learned(lambda key: channel.send(["learned", key]))
    telemetry.switch_on_if_asked()
    try:
        asyncio.run(_serve(channel))
    finally:
        with suppress(OSError, ValueError):  # a program may have closed it
            sys.stdout.flush()
        telemetry.flush()


def main(arguments: list[str]) -> int:
    try:
        serve_on(socket.socket(fileno=int(arguments[0])))
        return 0
    finally:
        # A row that hangs must not keep a process that nobody needs.
        end = threading.Timer(EXIT_S, os._exit, [0])
        end.daemon = True
        end.start()
