"""Threads that do the waiting: model calls run in them, in order of priority, results come back to the event loop."""

import asyncio
import itertools
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

__all__ = ["WorkPool"]

T = TypeVar("T")


@dataclass(order=True, slots=True)
class _Job:
    priority: tuple[int, int]
    work: Callable[[], Any] = field(compare=False)
    done: asyncio.Future[Any] | None = field(compare=False)


class WorkPool:
    """A fixed number of threads and one queue. Lower priority numbers go first, equal ones in order of asking.

    One pool serves bootstrapping, proposing and evaluating alike, so that whatever can be done is done as long
    as a thread is free. `run` belongs to one event loop; the work itself runs in any of the threads.
    """

    def __init__(self, threads: int) -> None:
        self._jobs: queue.PriorityQueue[_Job] = queue.PriorityQueue()
        self._order = itertools.count()
        self._unfinished = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._refusal: BaseException | None = None
        self._loop = asyncio.get_running_loop()
        self._threads = [
            threading.Thread(target=self._serve, name=f"pool-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Callable[[], T], priority: int = 0) -> T:
        """`work()` in a thread; what has begun runs to its end, whatever happens to those who wait for it."""
        done: asyncio.Future[T] = self._loop.create_future()
        self._unfinished += 1
        self._idle.clear()
        self._jobs.put(_Job((priority, next(self._order)), work, done))
        return await done

    def _serve(self) -> None:
        while True:
            job = self._jobs.get()
            if job.done is None:
                return
            refusal = self._refusal
            result, error = (None, refusal) if refusal is not None else _call(job.work)
            try:
                self._loop.call_soon_threadsafe(self._finish, job.done, result, error)
            except RuntimeError:  # the loop is closed: nobody waits for this any more
                return

    def _finish(self, done: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
        self._unfinished -= 1
        if self._unfinished == 0:
            self._idle.set()
        if done.done():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def refuse(self, reason: BaseException | None) -> None:
        """From now on fail what has not begun with `reason`, without running it; None opens the pool again."""
        self._refusal = reason

    async def drain(self) -> None:
        """Wait until nothing is queued or under way."""
        await self._idle.wait()

    def close(self) -> None:
        """Let the threads end after what they are doing; queued work is not begun."""
        for number, _ in enumerate(self._threads):
            self._jobs.put(_Job((-1_000_000, number), lambda: None, None))


def _call(work: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return work(), None
    except BaseException as error:  # noqa: BLE001 - whatever it is, it belongs to whoever awaits the result
        return None, error
