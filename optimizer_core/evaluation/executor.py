"""Where program runs happen: the seam between the evaluator, which asks for cells, and whatever fills them.

`ThreadExecutor` runs them in threads of this process. Another kind of place (processes, a cluster) is another
`Executor`; `tests/optimizer_core/evaluation/test_executors.py` is what each has to pass.
"""

import time
from collections import deque
from typing import Protocol

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest, CellRunner
from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.types import Cell

__all__ = ["OF_EXECUTOR", "Executor", "ThreadExecutor"]

OF_EXECUTOR = "of the executor"
"""Name of tasks that go on for as long as an executor is open: a process that is waited for may never come."""

LATEST = 100


class Executor(Protocol):
    """Fills cells. All methods belong to the run's event loop.

    What has begun runs to its end whatever happens to those who wait for it, unless `give_up` is called. Requests of
    lower priority numbers begin first, equal ones in the order of asking.
    """

    async def run(self, request: CellRequest) -> Cell:
        """The cell of one program run; a failure of the program, the metric or a model is its error class.

        Raises:
            TookTooLong: it was given up after `request.limit_s`.
            StudioError: what `refuse` and `give_up` were told; a cap that is reached; a run that is halted.
        """

    def refuse(self, reason: StudioError | None) -> None:
        """From now on fail what has not begun with `reason`; None opens the executor again."""

    def give_up(self, reason: StudioError) -> float:
        """Wait no longer for anything under way: whoever waits for it is told `reason`.

        Returns:
            The seconds that the longest of it had taken; 0 when nothing was under way.
        """

    async def drain(self) -> None:
        """Wait until nothing is queued or under way."""

    def close(self) -> None:
        """Begin nothing more and let go of threads and processes."""


class ThreadExecutor:
    """Program runs in the threads of a pool, which also makes the calls of the prompt model.

    Attributes:
        processor_s: Seconds of a processor that each of the latest program runs took in its thread.
    """

    def __init__(self, pool: WorkPool, runner: CellRunner) -> None:
        self._pool = pool
        self._runner = runner
        self.processor_s: deque[float] = deque(maxlen=LATEST)

    async def run(self, request: CellRequest) -> Cell:
        self._runner.module(request.arms)  # made here, once, and not by the first threads that need it
        return await self._pool.run(lambda: self._timed(request), request.priority, request.limit_s)

    def _timed(self, request: CellRequest) -> Cell:
        begun_s = time.thread_time()
        cell = self._runner(request)
        self.processor_s.append(time.thread_time() - begun_s)
        return cell

    def refuse(self, reason: StudioError | None) -> None:
        self._pool.refuse(reason)

    def give_up(self, reason: StudioError) -> float:
        return self._pool.give_up(reason)

    async def drain(self) -> None:
        await self._pool.drain()

    def close(self) -> None:
        self._pool.close()
