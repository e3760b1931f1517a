import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from mipro_studio.optimizer_core.errors import StopRequested
from mipro_studio.optimizer_core.evaluation import pool as pool_module
from mipro_studio.optimizer_core.evaluation.pool import TookTooLong, WorkPool
from tests.waits import HandWatch, until

NEVER_S = 150
"""What is waited for here comes at once; a busy machine may take its time."""


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> HandWatch:
    """The pool's watch, which the test turns; it is looked at often."""
    watch = HandWatch()
    monkeypatch.setattr(pool_module, "time", watch)
    monkeypatch.setattr(pool_module, "LOOK_S", 0.005)
    return watch


def in_pool(threads: int, test: Callable[[WorkPool], Awaitable[None]]) -> None:
    async def main() -> None:
        pool = WorkPool(threads)
        try:
            await asyncio.wait_for(test(pool), 200)
        finally:
            pool.close()

    asyncio.run(main())


def test_lower_priorities_go_first_and_equal_ones_in_order_of_asking() -> None:
    done: list[str] = []
    begun, gate = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        gate.wait(NEVER_S)

    async def test(pool: WorkPool) -> None:
        first = asyncio.create_task(pool.run(hold))
        await asyncio.to_thread(begun.wait, NEVER_S)  # the one thread is busy: everything else queues
        asked = [("late", 5), ("a", 1), ("b", 1), ("urgent", -1), ("c", 1)]
        waiting = [asyncio.create_task(pool.run(lambda name=name: done.append(name), rank)) for name, rank in asked]
        await asyncio.sleep(0)
        gate.set()
        await asyncio.gather(first, *waiting)

    in_pool(1, test)
    assert done == ["urgent", "a", "b", "c", "late"]


def test_all_threads_work_at_once_and_never_more() -> None:
    running, most = 0, 0
    lock, six = threading.Lock(), threading.Barrier(6)

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        six.wait(NEVER_S)
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
        await asyncio.sleep(0)
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
    until(lambda: not {thread.name for thread in threading.enumerate()} - before)


STOP = StopRequested("stop")


def busy() -> None:
    while True:
        with suppress(Exception):  # as an agent that tries again whatever happens
            sum(range(1000))


@pytest.mark.parametrize("work", [lambda: time.sleep(30), busy], ids=["asleep", "busy"])
def test_work_that_takes_too_long_is_given_up_and_a_new_thread_does_the_rest(work: Callable[[], None]) -> None:
    async def test(pool: WorkPool) -> None:
        stuck = [asyncio.create_task(pool.run(work, limit_s=0.1)) for _ in range(2)]
        await asyncio.sleep(0.02)
        after = asyncio.create_task(pool.run(lambda: "done"))
        for task in stuck:
            with pytest.raises(TookTooLong, match=r"longer than 0\.1 s"):
                await task
        assert await asyncio.wait_for(after, NEVER_S) == "done"
        await asyncio.wait_for(pool.drain(), NEVER_S)

    in_pool(2, test)


def test_only_what_has_begun_takes_time(watch: HandWatch) -> None:
    def takes_a_while() -> None:
        watch.turn(0.3)
        before = watch.reads
        until(lambda: watch.reads > before + 1, step_s=0.002)  # the pool has looked at it

    async def test(pool: WorkPool) -> None:
        work = [asyncio.create_task(pool.run(takes_a_while, limit_s=0.8)) for _ in range(6)]
        await asyncio.gather(*work)
        assert watch.now_s == pytest.approx(1.8)

    in_pool(1, test)


def test_what_has_begun_is_given_up_once_the_watch_says_so(watch: HandWatch) -> None:
    begun, gate = threading.Event(), threading.Event()

    def hold() -> None:
        begun.set()
        while not gate.wait(0.005):
            pass

    async def test(pool: WorkPool) -> None:
        held = asyncio.create_task(pool.run(hold, limit_s=0.8))
        await asyncio.to_thread(begun.wait, NEVER_S)
        watch.turn(0.7)
        assert await asyncio.wait({held}, timeout=0.1) == (set(), {held})
        watch.turn(0.2)
        with pytest.raises(TookTooLong):
            await asyncio.wait_for(held, NEVER_S)

    in_pool(1, test)


def test_a_loop_that_was_given_up_ends_as_soon_as_it_can() -> None:
    threads: list[threading.Thread] = []

    def endless() -> None:
        threads.append(threading.current_thread())
        while True:
            time.sleep(0.005)

    async def test(pool: WorkPool) -> None:
        with pytest.raises(TookTooLong):
            await pool.run(endless, limit_s=0.1)
        await asyncio.to_thread(until, lambda: not threads[0].is_alive())

    in_pool(1, test)


def test_all_that_is_under_way_can_be_given_up_with_a_reason(watch: HandWatch) -> None:
    all_there = threading.Barrier(4)

    def long() -> None:
        all_there.wait(NEVER_S)
        time.sleep(30)

    async def test(pool: WorkPool) -> None:
        tasks = [asyncio.create_task(pool.run(long)) for _ in range(3)]
        queued = asyncio.create_task(pool.run(lambda: "queued"))
        await asyncio.to_thread(all_there.wait, NEVER_S)
        pool.refuse(STOP)
        watch.turn(3.0)
        assert pool.give_up(STOP) == 3.0
        assert pool.give_up(STOP) == 0
        for task in (*tasks, queued):
            with pytest.raises(StopRequested):
                await asyncio.wait_for(task, NEVER_S)
        await asyncio.wait_for(pool.drain(), NEVER_S)
        pool.refuse(None)
        assert await asyncio.gather(*(pool.run(lambda n=n: n) for n in range(9))) == list(range(9))

    in_pool(3, test)


def test_what_comes_of_work_that_was_given_up_is_thrown_away() -> None:
    begun, gate = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def late() -> str:
        threads.append(threading.current_thread())
        begun.set()
        gate.wait(NEVER_S)
        return "late"

    async def test(pool: WorkPool) -> None:
        given_up = asyncio.create_task(pool.run(late))
        await asyncio.to_thread(begun.wait, NEVER_S)
        pool.give_up(STOP)
        with pytest.raises(StopRequested):
            await given_up
        gate.set()
        assert await pool.run(lambda: "next") == "next"
        await asyncio.to_thread(until, lambda: not threads[0].is_alive())  # another has its place

    in_pool(1, test)


@pytest.mark.parametrize(
    "error", [KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration, asyncio.CancelledError]
)
def test_an_error_that_would_end_more_than_its_work_becomes_a_plain_one(error: type[BaseException]) -> None:
    def work() -> None:
        raise error("why")

    async def test(pool: WorkPool) -> None:
        with pytest.raises(RuntimeError, match=error.__name__):
            await pool.run(work)
        assert await pool.run(lambda: "goes on") == "goes on"

    in_pool(1, test)
