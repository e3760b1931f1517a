"""Threads that do the waiting: model calls run in them, in order of priority, results come back to the event loop.

Python cannot end a thread. Work that takes longer than it may is given up: whoever waits for it is told, a new thread
takes the place of the one that is stuck, and what that comes to, if it ever comes to anything, is thrown away.
"""

import asyncio
import ctypes
import itertools
import queue
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mipro_studio.optimizer_core.errors import GivenUp

__all__ = ["TookTooLong", "WorkPool", "switch_often"]

LOOK_S = 0.5
"""How often is looked for work that takes too long."""

SWITCH_S = 0.0005
"""Seconds after which a thread that computes lets another have Python's lock."""

T = TypeVar("T")


def switch_often() -> None:
    """Let the threads of this process take turns ten times as often as Python does by itself.

    A thread whose answer has come waits a turn of each thread that computes, several times a call.
    """
    sys.setswitchinterval(SWITCH_S)


class TookTooLong(Exception):
    """Work was given up after `limit_s` seconds."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"It took longer than {limit_s:g} s and was given up.")
        self.limit_s = limit_s


@dataclass(slots=True, eq=False)
class _Job:
    priority: tuple[int, int]
    work: Callable[[], Any]
    done: asyncio.Future[Any] | None
    limit_s: float | None = None
    began_s: float = 0.0
    thread: int = 0
    _ended: dict[str, str] = field(default_factory=dict)

    def __lt__(self, other: "_Job") -> bool:
        return self.priority < other.priority

    def ends_by(self, who: str) -> bool:
        """Whether `who` is the first to end it: its thread or the pool. Atomic, and without a lock, in which the
        exception that ends a thread could strike."""
        return self._ended.setdefault("by", who) == who


class WorkPool:
    """A fixed number of threads and one queue. Lower priority numbers go first, equal ones in order of asking.

    One pool serves bootstrapping, proposing and evaluating alike, so that whatever can be done is done as long
    as a thread is free. `run` belongs to one event loop; the work itself runs in any of the threads.
    """

    def __init__(self, threads: int) -> None:
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._order = itertools.count()
        self._unfinished = 0
        self._under_way: set[_Job] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._refusal: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._looking: asyncio.TimerHandle | None = None
        self._names = itertools.count()
        self._size = threads
        for _ in range(threads):
            self._start_thread()

    def _start_thread(self) -> None:
        threading.Thread(target=self._serve, name=f"pool-{next(self._names)}", daemon=True).start()

    async def run(self, work: Callable[[], T], priority: int = 0, limit_s: float | None = None) -> T:
        """`work()` in a thread; what has begun runs to its end, whatever happens to those who wait for it.

        Args:
            limit_s: Seconds it may take once it has begun; None = as long as it takes.

        Raises:
            TookTooLong: it was given up. Beside what `work` raises, and what `refuse` and `give_up` were told.
        """
        done: asyncio.Future[T] = self._loop.create_future()
        self._unfinished += 1
        self._idle.clear()
        self._jobs.put(_Job((priority, next(self._order)), work, done, limit_s))
        if limit_s is not None and self._looking is None:
            self._looking = self._loop.call_later(LOOK_S, self._look)
        return await done

    def _serve(self) -> None:
        with suppress(GivenUp):
            while True:
                job = self._jobs.get()
                if job.done is None:
                    return
                result, error = self._do(job)
                if not job.ends_by("thread"):  # it was given up, and another thread has this one's place
                    return
                try:
                    self._loop.call_soon_threadsafe(self._settle, job, result, error)
                except RuntimeError:  # the loop is closed: nobody waits for this any more
                    return

    def _do(self, job: _Job) -> tuple[Any, BaseException | None]:
        refusal = self._refusal
        job.began_s, job.thread = time.monotonic(), threading.get_ident()
        self._under_way.add(job)
        return (None, refusal) if refusal is not None else _call(job.work)

    def _settle(self, job: _Job, result: Any, error: BaseException | None) -> None:
        assert job.done is not None
        self._under_way.discard(job)
        self._unfinished -= 1
        if self._unfinished == 0:
            self._idle.set()
        if job.done.done():
            return
        if error is None:
            job.done.set_result(result)
        else:
            job.done.set_exception(error)

    def _look(self) -> None:
        """Give up what takes too long, and look again as long as there is anything."""
        now = time.monotonic()
        for job in list(self._under_way):
            if job.limit_s is not None and now - job.began_s > job.limit_s:
                self._give_up(job, TookTooLong(job.limit_s))
        self._looking = self._loop.call_later(LOOK_S, self._look) if self._unfinished else None

    def give_up(self, reason: BaseException) -> float:
        """Wait no longer for anything that is under way: whoever waits for it is told `reason`.

        Returns:
            The seconds that the longest of it had taken; 0 when nothing was under way.
        """
        now = time.monotonic()
        return max((now - job.began_s for job in list(self._under_way) if self._give_up(job, reason)), default=0.0)

    def _give_up(self, job: _Job, reason: BaseException) -> bool:
        if not job.ends_by("pool"):
            return False
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(job.thread), ctypes.py_object(GivenUp))
        self._start_thread()
        self._settle(job, None, reason)
        return True

    def refuse(self, reason: BaseException | None) -> None:
        """From now on fail what has not begun with `reason`, without running it; None opens the pool again."""
        self._refusal = reason

    async def drain(self) -> None:
        """Wait until nothing is queued or under way."""
        await self._idle.wait()

    def close(self) -> None:
        """Let the threads end after what they are doing; queued work is not begun."""
        if self._looking is not None:
            self._looking.cancel()
        for number in range(self._size):
            self._jobs.put(_Job((-1_000_000, number), lambda: None, None))


def _call(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except GivenUp:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever awaits the result
        # Neither may be put into a future: one would end the event loop, the other is what its iterators end by.
        return None, RuntimeError(f"StopIteration: {error}") if isinstance(error, StopIteration) else error
    except BaseException as error:  # noqa: BLE001 - SystemExit, KeyboardInterrupt, GeneratorExit and their like
        return None, RuntimeError(f"{type(error).__name__}: {error}")
