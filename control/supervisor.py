"""Beside every worker: writes its log with keys blacked out, ends it where it cannot stop, and what it leaves behind.

`main([WORKER_PID, LIFE, STORE, RUN, VARIABLE...])` copies standard input to standard output until the worker is gone
and nobody else can write any more. A process of its own, because it has to see what C libraries and children write,
to outlive a worker that is killed or crashes, and never to wait for one that holds Python's lock: a metric that is
lost in a regular expression lets no other thread of its process run, the one that hears commands included.
"""

import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from mipro_studio.control.family import Family
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.secrets import ScrubbedBytes, Scrubber
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import LockHolder, Reader, Store, lock_holder

__all__ = ["KEYS_VARIABLE", "LIFE_VARIABLE", "main"]

LIFE_VARIABLE = "MIPRO_LIFE"
"""Environment variable of a worker and of all that its run's program starts: the worker's name."""

KEYS_VARIABLE = "MIPRO_KEYS_FROM"
"""Environment variable of the keeper: the descriptor where it reads keys that the worker learns; JSON a line."""

PIECE = 1 << 16
LONGEST_LOG = 64 * 1024 * 1024
LONGEST_WAITING = 1 << 20
LOOK_S = 0.25
GRACE_S = 1.0
STORE_LOOK_S = 0.5
STOP_S = 8.0
"""Seconds that a worker has to obey a stop."""
FENCED_S = 10.0
"""Seconds that a worker may go on whose run is not its own any more."""
HELD_S = 8.0
"""Seconds that a worker may stand in the middle of a transaction, which nobody else can write beside."""
STUCK = (
    "Stopped by a person. The program or the metric would not let go of a row, so its process was ended; "
    "resume the run to score the sealed test."
)
HELD = (
    "The program or the metric held Python's lock on a row while the store was being written, which kept all others "
    "from writing, so its process was ended; resume the run to go on."
)
CUT = b"\n[The log is cut here: it has reached its longest.]\n"
LOST = b"\n[Some of the log is lost: the disk was full.]\n"


class _Log:
    """Appends to a descriptor; what a full disk refuses waits, within bounds."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._waiting = b""
        with suppress(OSError):
            self._written = os.fstat(descriptor).st_size

    def write(self, piece: bytes) -> None:
        self._waiting += piece
        if len(self._waiting) > LONGEST_WAITING:
            self._waiting = self._waiting[: LONGEST_WAITING // 2] + LOST + self._waiting[-LONGEST_WAITING // 4 :]
        if self._written > LONGEST_LOG:
            self._waiting = b""
        elif self._written + len(self._waiting) > LONGEST_LOG:
            self._waiting = self._waiting[: max(0, LONGEST_LOG - self._written)] + CUT
        with suppress(OSError):  # no room: it is tried again with the next piece, and at the end
            while self._waiting:
                done = os.write(self._descriptor, self._waiting)
                self._waiting = self._waiting[done:]
                self._written += done


def _is_of(pid: int, worker: int, life: str) -> bool:
    """Whether a process belongs to the worker's session or carries its name, wherever it has moved to."""
    try:
        if os.getsid(pid) == worker:
            return True
        return f"{LIFE_VARIABLE}={life}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes() + b"\0"
    except OSError:  # gone, or somebody else's
        return False


def left_behind(worker: int, life: str) -> list[int]:
    """Processes that the worker's program started, the worker itself apart."""
    pids = [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()] if Path("/proc").is_dir() else []
    return [pid for pid in pids if pid not in (os.getpid(), worker) and _is_of(pid, worker, life)]


def _send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(OSError):
            os.kill(pid, number)


def end_left_behind(worker: int, life: str, family: Family) -> None:
    """Ask them to end, and end those that do not."""

    def left() -> list[int]:
        return [*{*left_behind(worker, life), *family.living()} - {os.getpid()}]

    _send(left(), signal.SIGTERM)
    deadline = time.monotonic() + GRACE_S
    while time.monotonic() < deadline and left():
        time.sleep(0.05)
    _send(left(), signal.SIGKILL)


class _Overseer:
    """Ends a worker that cannot obey, works on a run which is not its own any more, or never lets go of the store."""

    def __init__(self, worker: int, life: str, store: Path, run_id: str) -> None:
        self._worker, self._life, self._store, self._run_id = worker, life, store, run_id
        self._next = self._ours_until = self._written_at = time.monotonic()
        self._claimed = False
        self._asked_since: float | None = None
        self._writing: LockHolder | None = None
        self._why = ""
        self.family = Family(worker)

    def look(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + STORE_LOOK_S
        self.family.look()
        with suppress(StudioError), Reader(self._store) as reader:  # a locked store: the next look may see more
            owner = reader.worker_of(self._run_id)
            stops = [one for one in reader.commands(self._run_id, pending=True) if one["kind"] == "stop"]
            self._claimed = self._claimed or owner == self._life
            self._ours_until = now if owner == self._life or not self._claimed else self._ours_until
            self._asked_since = (self._asked_since or now) if stops and owner == self._life else None
        if self._asked_since and now - self._asked_since > STOP_S:
            self._why = STUCK
        elif self._held_s(now) > HELD_S:
            self._why = HELD
        if self._why or now - self._ours_until > FENCED_S:
            os.kill(self._worker, signal.SIGKILL)

    def _held_s(self, now: float) -> float:
        """Seconds that the worker is known to be in one and the same transaction."""
        found = lock_holder(self._store)
        if found != self._writing or found is None or found.pid != self._worker:
            self._writing, self._written_at = found, now
        return now - self._written_at

    def settle(self) -> None:
        """Once the worker is gone: say how the run stands if that is why."""
        if not self._why:
            return
        with suppress(StudioError), Store(self._store) as store, store.atomic():  # else its lease runs out
            stops = [one.id for one in store.pending_commands(self._run_id) if one.kind == "stop"]
            status, why = (Status.STOPPED, STUCK) if stops else (Status.LOST, self._why)
            store.release(self._run_id, self._life, status, why)
            store.mark_handled(stops)


class _Learned:
    """Keys that the worker tells of while it works; it tells before anything of it can be printed."""

    def __init__(self, scrubber: Scrubber) -> None:
        self._scrubber = scrubber
        self._rest = b""
        self._from = int(os.environ.get(KEYS_VARIABLE, "-1"))
        if self._from >= 0:
            os.set_blocking(self._from, False)

    def hear(self) -> None:
        with suppress(OSError):  # nothing new, or nobody tells
            while piece := os.read(self._from, PIECE):
                *lines, self._rest = (self._rest + piece).split(b"\n")
                self._scrubber.hide(*(json.loads(line) for line in lines))


def main(arguments: list[str]) -> int:
    worker, life, variables = int(arguments[0]), arguments[1], arguments[4:]
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # it ends with the worker, and not before
    scrubber, log = Scrubber(variables), _Log(sys.stdout.fileno())
    stream, learned = ScrubbedBytes(scrubber), _Learned(scrubber)
    overseer = _Overseer(worker, life, Path(arguments[2]), arguments[3])
    os.set_blocking(sys.stdin.fileno(), False)
    open_for_more, alive = True, True
    while open_for_more or alive:
        if open_for_more:
            if select.select([sys.stdin], [], [], LOOK_S)[0]:
                piece = os.read(sys.stdin.fileno(), PIECE)
                open_for_more = bool(piece)
                learned.hear()
                log.write(stream.feed(piece))
        else:
            time.sleep(LOOK_S)  # closed by the worker, which goes on
        if alive and os.getppid() != worker:
            alive = False
            overseer.settle()
            end_left_behind(worker, life, overseer.family)
        elif alive:
            overseer.look()
    log.write(stream.end())
    return 0
