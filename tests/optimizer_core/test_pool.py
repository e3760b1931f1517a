import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from mipro_studio.optimizer_core.errors import StopRequested
from mipro_studio.optimizer_core.pool import WorkPool


def in_pool(threads: int, test: Callable[[WorkPool], Awaitable[None]]) -> None:
    async def main() -> None:
        pool = WorkPool(threads)
        try:
            await asyncio.wait_for(test(pool), 20)
        finally:
            pool.close()

    asyncio.run(main())


def test_lower_priorities_go_first_and_equal_ones_in_order_of_asking() -> None:
    done: list[str] = []
    gate = threading.Event()

    async def test(pool: WorkPool) -> None:
        first = asyncio.create_task(pool.run(gate.wait))
        await asyncio.sleep(0.05)  # the one thread is busy: everything else queues
        asked = [("late", 5), ("a", 1), ("b", 1), ("urgent", -1), ("c", 1)]
        waiting = [asyncio.create_task(pool.run(lambda name=name: done.append(name), rank)) for name, rank in asked]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, *waiting)

    in_pool(1, test)
    assert done == ["urgent", "a", "b", "c", "late"]


def test_all_threads_work_at_once_and_never_more() -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1

    async def test(pool: WorkPool) -> None:
        await asyncio.gather(*(pool.run(work) for _ in range(24)))

    in_pool(6, test)
    assert most == 6


def test_results_and_errors_reach_whoever_asked() -> None:
    async def test(pool: WorkPool) -> None:
        results = await asyncio.gather(
            pool.run(lambda: 1), pool.run(lambda: 1 / 0), pool.run(lambda: [][0]), return_exceptions=True
        )
        assert results[0] == 1
        assert [type(result) for result in results[1:]] == [ZeroDivisionError, IndexError]

    in_pool(2, test)


def test_a_refusing_pool_fails_what_has_not_begun_and_finishes_what_has() -> None:
    begun, gate, ran = threading.Event(), threading.Event(), []

    def slow() -> str:
        begun.set()
        gate.wait()
        return "finished"

    async def test(pool: WorkPool) -> None:
        first = asyncio.create_task(pool.run(slow))
        queued = asyncio.create_task(pool.run(lambda: ran.append("queued")))
        await asyncio.to_thread(begun.wait)
        pool.refuse(StopRequested("stop"))
        gate.set()
        assert await first == "finished"
        with pytest.raises(StopRequested):
            await queued
        with pytest.raises(StopRequested):
            await pool.run(lambda: ran.append("later"))
        pool.refuse(None)
        assert await pool.run(lambda: "open again") == "open again"

    in_pool(1, test)
    assert ran == []


def test_draining_waits_for_what_nobody_waits_for_any_more() -> None:
    finished: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.03)
        finished.append(number)

    async def test(pool: WorkPool) -> None:
        tasks = [asyncio.create_task(pool.run(lambda n=n: work(n))) for n in range(5)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await pool.drain()
        assert sorted(finished) == [0, 1, 2, 3, 4]
        await pool.drain()  # nothing to wait for

    in_pool(2, test)


def test_threads_end_when_the_pool_is_closed() -> None:
    async def test(pool: WorkPool) -> None:
        await pool.run(lambda: None)

    before = {thread.name for thread in threading.enumerate()}
    in_pool(3, test)
    deadline = time.monotonic() + 5
    while {thread.name for thread in threading.enumerate()} - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not {thread.name for thread in threading.enumerate()} - before
