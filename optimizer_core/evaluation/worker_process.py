"""One process that fills cells, as the process that asks for them sees it."""

import asyncio
import hashlib
import os
import socket
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mipro_studio import command
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.evaluation import frames
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.sharing.lending import Lender
from mipro_studio.optimizer_core.secrets import learn
from mipro_studio.optimizer_core.types import Cell, Role

__all__ = ["Listener", "Place", "Row", "WorkerProcess"]

GRACE_S = 5.0
OUT_OF_MEMORY = 77
"""Exit code of a process that has reached the limit of its memory."""


@dataclass(eq=False)
class Row:
    """A request that waits for its cell.

    Attributes:
        order: Lower goes first.
        suspect: It was under way when its process ended, and is run again with no other beside it.
    """

    order: tuple[int, int]
    request: CellRequest
    done: "asyncio.Future[Cell]"
    began_s: float = 0.0
    suspect: bool = False

    def __lt__(self, other: "Row") -> bool:
        return self.order < other.order

    @property
    def overdue_s(self) -> float:
        """Seconds beyond its limit; below 0 while there is time."""
        limit_s = self.request.limit_s
        return -1.0 if limit_s is None else time.monotonic() - self.began_s - limit_s


@dataclass(frozen=True)
class Place:
    """What every process of a run is started with."""

    config: RunConfig
    base: Path
    meter: Meter


class Listener(Protocol):
    """Who is told what becomes of a process and its rows."""

    def ready(self, worker: "WorkerProcess") -> None: ...
    def unready(self, reason: StudioError) -> None: ...
    def answered(self, worker: "WorkerProcess", row: Row, answer: dict[str, Any]) -> None: ...
    def heard(self) -> None: ...
    def ended(self, worker: "WorkerProcess") -> None: ...


class WorkerProcess(asyncio.Protocol):
    """A process, the socket to it, and the rows that it has been given. Belongs to the event loop.

    Args:
        threads: Rows that it runs at once.

    Attributes:
        alone: It is given no further rows but those under suspicion, one at a time.
        machine_lost: Whether it ended because its machine did; None where nobody knows.
    """

    def __init__(self, place: Place, threads: int, listener: Listener) -> None:
        self._listener = listener
        self._meter = place.meter
        self._memory_mb = place.config.row_memory_mb
        self.threads = threads
        self.rows: dict[int, Row] = {}
        self.is_ready = False
        self.alone = False
        self.killed = False
        self.machine_lost: bool | None = False
        self._next = 0
        self._known: set[str] = set()
        self._unpacker = frames.Unpacker()
        self._transport: Any = None
        self.lender = Lender(place.meter, self._answer)
        self._first = ["settings", place.config.model_dump(mode="json"), str(place.base.resolve()), threads]
        self._begin()

    def _begin(self) -> None:
        """Start the process, which has the other end of our socket."""
        self._ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                command("optimizer_core.evaluation.cell_worker", str(theirs.fileno())),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=dict(os.environ),  # with the keys of the run's models, which others do not inherit
            )

    async def connect(self) -> None:
        """Tell the process what it works on."""
        await asyncio.get_running_loop().create_connection(lambda: self, sock=self._ours)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self.send(self._first)
        self.tell_halt()

    def send(self, message: list[Any]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frames.packed(message))

    def _answer(self, number: int, answer: Role | StudioError) -> None:
        refused = isinstance(answer, StudioError)
        self.send(["no", number, frames.error_as_json(answer)] if refused else ["go", number, answer])  # type: ignore[arg-type]

    @property
    def is_free(self) -> bool:
        """Whether it has nothing to do, and could."""
        return self.is_ready and not self.killed and not self.rows

    @property
    def room(self) -> int:
        """Rows that it could take."""
        return self.threads - len(self.rows) if self.is_ready and not (self.killed or self.alone) else 0

    def tell_halt(self) -> None:
        """Tell the process whether the run is halted: what waits between two attempts waits no longer."""
        reason = self._meter.halt_reason
        self.send(["halt", None if reason is None else frames.error_as_json(reason)])

    def give(self, row: Row, lent: int) -> None:
        """Let the process run `row`, which may make `lent` calls without asking."""
        text = row.request.arms.text
        name = hashlib.sha256(text.encode()).hexdigest()
        if name not in self._known:
            self._known.add(name)
            self.send(["arms", name, text])
        row.began_s = time.monotonic()
        self._next += 1
        self.rows[self._next] = row
        lent = self.lender.lend(row.request.role, lent) if lent else 0
        self.send(["row", self._next, frames.request_as_json(row.request, name), lent])

    def data_received(self, data: bytes) -> None:
        for message in self._unpacker.feed(data):
            match message:
                case ["learned", str(key)]:
                    learn(key)
                case ["news", news]:
                    self.lender.hear(news)
                case ["ready"]:
                    self.is_ready = True
                    self._listener.ready(self)
                case ["unready", error]:
                    self._listener.unready(frames.error_of(error))
                case ["done", number, news, answer]:
                    self.lender.hear(news)
                    if (row := self.rows.pop(number, None)) is not None:
                        self._listener.answered(self, row, answer)
        self._listener.heard()

    def connection_lost(self, error: Exception | None) -> None:
        self.lender.gone()
        self._reap()
        self._listener.ended(self)

    def kill(self) -> None:
        """End the process at once; `connection_lost` follows."""
        self.killed = True
        with suppress(OSError):
            self.process.kill()

    def close(self) -> None:
        """Let the process end by itself: nobody needs it any more."""
        if self._transport is not None:
            self._transport.close()
        self._reap()

    def _reap(self) -> None:
        """See the process end, beside all else, and end it where it does not."""

        def wait() -> None:
            try:
                self.process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

        threading.Thread(target=wait, name="reap", daemon=True).start()

    def how_it_ended(self) -> str:
        """In words, with the signal or exit code."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1.0)
        code = self.process.returncode
        if code is None:
            return "closed its connection"
        if code == OUT_OF_MEMORY:
            return f"took more than the {self._memory_mb} MB that it may"
        return f"was ended by signal {-code}" if code < 0 else f"exited with code {code}"
