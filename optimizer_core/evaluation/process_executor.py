"""Program runs in processes of their own, where one process could not keep up.

One dispatcher, in the event loop of the run, gives rows to the processes and takes their cells; each process builds
program and models once and runs several rows at once in threads. A process that ends in the middle of rows costs the
row that ended it: all that were under way are run again, one at a time, and the one that does it again is the one.
"""

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mipro_studio.optimizer_core.errors import RunFailed, StudioError
from mipro_studio.optimizer_core.evaluation import frames
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.executor import OF_EXECUTOR
from mipro_studio.optimizer_core.evaluation.pool import TookTooLong, WorkPool
from mipro_studio.optimizer_core.evaluation.worker_process import Listener, Place, Row, WorkerProcess
from mipro_studio.optimizer_core.types import Cell, ErrorClass

__all__ = ["ProcessExecutor"]

LOOK_S = 0.25
DEAF_S = 2.0
"""Seconds after its limit at which a row that its process has not given up is ended with the process."""
MOST_FAILED_STARTS = 3


class ProcessExecutor:
    """An `Executor` over processes. Decides nothing: the same requests give the same cells as threads.

    Args:
        place: What the processes are started with.
        processes: How many; they share the run's number of threads.
        pool: Threads of this process for the calls of the prompt model, which are refused, given up and drained with
            the program runs.
        worker: What starts one, given place, threads and who is told; on another machine, say.
    """

    def __init__(
        self,
        place: Place,
        processes: int,
        pool: WorkPool,
        worker: Callable[[Place, int, Listener], WorkerProcess] = WorkerProcess,
    ) -> None:
        self._place = place
        self._worker = worker
        self._pool = pool
        threads = place.config.threads
        self._sizes = [len(range(part, threads, processes)) for part in range(min(processes, threads))]
        self._workers: list[WorkerProcess] = []
        self._queue: list[Row] = []
        self._suspects: deque[Row] = deque()
        self._order = itertools.count()
        self._unfinished = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._refusal: StudioError | None = None
        self._failed_starts = 0
        self._starting: set[asyncio.Task[None]] = set()
        self._looking: asyncio.TimerHandle | None = None
        self._trying: asyncio.TimerHandle | None = None
        self._first = 0
        self._closed = False
        self._loop = asyncio.get_running_loop()
        self._calls_a_row = 0.0
        place.meter.watch(self._halted)
        self._start_workers()  # they take seconds, in which the run has other things to do

    async def run(self, request: CellRequest) -> Cell:
        done: asyncio.Future[Cell] = self._loop.create_future()
        self._unfinished += 1
        self._idle.clear()
        heapq.heappush(self._queue, Row((request.priority, next(self._order)), request, done))
        self._pump()
        return await done

    def _pump(self) -> None:
        """Give rows to whoever has room, those that go first first."""
        if self._closed:
            return
        if self._refusal is not None:
            self._fail_waiting(self._refusal)
        if self._unfinished:
            self._start_workers()
        self._give_suspects()
        while self._queue and (worker := self._roomiest()) is not None:
            worker.give(heapq.heappop(self._queue), round(self._calls_a_row))
        if self._unfinished and self._looking is None:
            self._looking = self._loop.call_later(LOOK_S, self._look)

    def _roomiest(self) -> WorkerProcess | None:
        free = [one for one in self._workers if one.room]
        return max(free, key=lambda one: one.room / one.threads, default=None)

    def _give_suspects(self) -> None:
        """One at a time, to a process that has nothing else to do; it keeps to it until there are none left.

        Whichever has least to finish is kept free for it: another may never come, where a cluster has become smaller.
        """
        alone = next((one for one in self._workers if one.alone), None)
        if not self._suspects:
            if alone is not None and not alone.rows:
                alone.alone = False
            return
        if alone is None:
            able = [one for one in self._workers if one.is_ready and not one.killed]
            alone = min(able, key=lambda one: len(one.rows), default=None)
            if alone is None:  # the first that is ready
                return
            alone.alone = True
        if alone.is_free:
            alone.give(self._suspects.popleft(), 0)

    def _start_workers(self) -> None:
        missing = list(self._sizes)
        for worker in self._workers:
            missing.remove(worker.threads)
        for threads in missing:
            worker = self._worker(self._place, threads, self)
            self._workers.append(worker)
            task = self._loop.create_task(worker.connect(), name=OF_EXECUTOR)
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    # What the processes say.

    def ready(self, worker: WorkerProcess) -> None:
        self._failed_starts = 0
        self._pump()

    def unready(self, reason: StudioError) -> None:
        self._fail_all(RunFailed(f"A process for the program could not be made ready: {reason}"))

    def heard(self) -> None:
        """Something was booked: calls that wait for their turn, or for some that were lent, may go on."""
        if self._trying is not None:
            self._trying.cancel()
            self._trying = None
        self._first = (self._first + 1) % max(1, len(self._workers))  # no process is always the first to be asked
        turns = self._workers[self._first :] + self._workers[: self._first]
        waits = [wait_s for one in turns if one.lender.waits and (wait_s := one.lender.answer_waiting()) is not None]
        if waits:
            self._trying = self._loop.call_later(min(waits), self.heard)

    def answered(self, worker: WorkerProcess, row: Row, answer: dict[str, Any]) -> None:
        if "late_s" in answer:
            self._settle(row, TookTooLong(answer["late_s"]))
        elif "error" in answer:
            self._settle(row, frames.error_of(answer["error"]))
        else:
            cell = frames.cell_of(row.request.key, answer["cell"])
            # What a row is lent: as many calls as rows took lately.
            self._calls_a_row += 0.1 * (cell.usage.calls - self._calls_a_row)
            self._settle(row, cell)
        self._pump()

    def ended(self, worker: WorkerProcess) -> None:
        """A process has ended; whatever rows it had are under suspicion, the only one is the one.

        Unless its machine may have gone with it: then that one has to do it again, and of one that did so it must be
        known that it was not the machine.
        """
        if self._closed:
            return
        self._workers.remove(worker)
        rows = [row for row in worker.rows.values() if not row.done.done()]
        if not worker.is_ready and not worker.machine_lost:
            self._failed_starts += 1
            if self._failed_starts >= MOST_FAILED_STARTS:
                words = f"A process for the program {worker.how_it_ended()} before it was ready."
                self._fail_all(RunFailed(words, "The log has what it wrote."))
        if len(rows) == 1 and (worker.machine_lost is False or (rows[0].suspect and not worker.machine_lost)):
            self._settle(rows[0], self._crashed(rows[0], worker))
        else:
            for row in rows:
                row.suspect = True
                self._suspects.append(row)
        self._pump()

    def _crashed(self, row: Row, worker: WorkerProcess) -> Cell | BaseException:
        if row.overdue_s > 0 and row.request.limit_s is not None:
            return TookTooLong(row.request.limit_s)
        seconds_s = time.monotonic() - row.began_s
        words = f"The process that ran the program on this row {worker.how_it_ended()}."
        return Cell(row.request.key, None, ErrorClass.CRASH, words, seconds_s=seconds_s)

    def _halted(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: there is nobody to tell
            self._loop.call_soon_threadsafe(self._tell_halt)

    def _tell_halt(self) -> None:
        for worker in self._workers:
            worker.tell_halt()
        self.heard()

    def _look(self) -> None:
        """End a process that does not let go of a row: its other rows, if they have time left, are run again."""
        for worker in list(self._workers):
            overdue = [number for number, row in worker.rows.items() if row.overdue_s > DEAF_S]
            if overdue:
                for number in [number for number in worker.rows if number not in overdue]:
                    heapq.heappush(self._queue, worker.rows.pop(number))
                worker.kill()
        self.heard()
        self._looking = self._loop.call_later(LOOK_S, self._look) if self._unfinished else None

    def _settle(self, row: Row, result: Cell | BaseException) -> None:
        self._unfinished -= 1
        if self._unfinished == 0:
            self._idle.set()
        if row.done.done():
            return
        if isinstance(result, Cell):
            row.done.set_result(result)
        else:
            row.done.set_exception(result)

    # What the run says.

    def refuse(self, reason: StudioError | None) -> None:
        self._refusal = reason
        self._pool.refuse(reason)
        if reason is not None:
            self._fail_waiting(reason)

    def _fail_waiting(self, reason: StudioError) -> None:
        waiting = [*self._queue, *self._suspects]
        self._queue.clear()
        self._suspects.clear()
        for row in waiting:
            self._settle(row, reason)

    def _fail_all(self, reason: StudioError) -> None:
        self.refuse(reason)
        self.give_up(reason)

    def give_up(self, reason: StudioError) -> float:
        longest_s = self._pool.give_up(reason)
        for worker in list(self._workers):
            rows = list(worker.rows.values())
            worker.rows.clear()
            if rows:
                longest_s = max(longest_s, *(time.monotonic() - row.began_s for row in rows))
                worker.kill()
            for row in rows:
                self._settle(row, reason)
        return longest_s

    async def drain(self) -> None:
        await self._idle.wait()
        await self._pool.drain()

    def close(self) -> None:
        self._closed = True
        self._pool.close()
        for timer in (self._looking, self._trying):
            if timer is not None:
                timer.cancel()
        for task in self._starting:
            with suppress(RuntimeError):
                task.cancel()
        for worker in self._workers:
            worker.close()
