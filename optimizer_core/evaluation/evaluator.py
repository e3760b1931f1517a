"""Fills cells of the score table: runs the program on an example, scores it, writes it down, hands it on."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import dspy

from mipro_studio.optimizer_core.errors import BudgetReached, StudioError
from mipro_studio.optimizer_core.evaluation.failures import FailureWatch
from mipro_studio.optimizer_core.evaluation.pool import TookTooLong, WorkPool
from mipro_studio.optimizer_core.evaluation.program_run import ProgramRun, Purpose, execute
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, Split

__all__ = ["Evaluator", "Limits"]


@dataclass(frozen=True)
class Limits:
    """What evaluating may take.

    Attributes:
        program_runs: Cap on the cells asked for, those of the sealed test not counted; None = no cap.
        row_s: Seconds that one program run and its metric may take; None = as long as they take.
    """

    program_runs: int | None = None
    row_s: float | None = None


class Evaluator:
    """Asks for cells. A cell that is in the table, or under way, is never paid for twice.

    Cells that failed for a reason that passes get a second chance once, after the model's own retries; on a
    resumed run such cells count as not there.

    Args:
        limits: See there.
        folders: Where relative paths in rows (of images, say) are looked up.
    """

    def __init__(
        self,
        pool: WorkPool,
        recorder: Recorder,
        table: ScoreTable,
        scorer: Scorer,
        limits: Limits = Limits(),
        folders: tuple[Path, ...] = (),
    ) -> None:
        self._pool = pool
        self._recorder = recorder
        self._table = table
        self._scorer = scorer
        self._folders = folders
        self._under_way: dict[CellKey, asyncio.Task[Cell]] = {}
        self._tried: set[CellKey] = set()
        self._watch = FailureWatch(table.cells())
        self._cap = limits.program_runs
        self._row_s = limits.row_s
        self._hurry: StudioError | None = None
        self.program_runs = sum(cell.key.split is not Split.TEST for cell in table.cells())

    @property
    def room(self) -> int | None:
        """Program runs left under the cap; None = no cap."""
        return None if self._cap is None else self._cap - self.program_runs

    def room_for(self, program_runs: int) -> bool:
        """Whether that many more program runs stay within the cap."""
        return self._cap is None or self.program_runs + program_runs <= self._cap

    def missing(self, keys: Iterable[CellKey]) -> list[CellKey]:
        """Those that would have to be paid for, each once."""
        return [key for key in dict.fromkeys(keys) if not self._is_known(key) and key not in self._under_way]

    def _is_known(self, key: CellKey) -> bool:
        cell = self._table.get(key)
        if cell is None:
            return False
        return cell.error is None or not cell.error.transient or key in self._tried

    async def cells(
        self,
        candidate: str,
        module: dspy.Module,
        examples: Sequence[Example],
        role_model: RoleModel,
        priority: int = 0,
        *,
        purpose: Purpose = Purpose.EVALUATE,
    ) -> list[Cell]:
        """The cells of `candidate` on `examples`, in that order; new ones are committed before this returns.

        Args:
            module: The program with the candidate put in; shared by all threads.
            priority: Lower goes first.
            purpose: What the metric is told and asked.

        Raises:
            BudgetReached: the cells would pass a cap; none of them was asked for. Or, as RunPaused and
                StopRequested: the run is ending; cells already under way are still written.
            RunFailed, RunPaused: (nearly) everything fails, see `failures`.
        """
        keys = [CellKey(candidate, example.split, example.id) for example in examples]
        self._reserve(self.missing(keys))
        waiting = [
            self._cell(ProgramRun(key, module, example, role_model, purpose, self._folders), priority)
            for key, example in zip(keys, examples, strict=True)
        ]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [result for result in results if isinstance(result, Cell)]

    def _reserve(self, new: Sequence[CellKey]) -> None:
        counted = sum(key.split is not Split.TEST and self._table.get(key) is None for key in new)
        if not self.room_for(counted):
            raise BudgetReached(f"The cap of {self._cap} program runs is reached.")
        self.program_runs += counted

    def _cell(self, run: ProgramRun, priority: int) -> "asyncio.Future[Cell]":
        if self._is_known(run.key):
            known: asyncio.Future[Cell] = asyncio.get_running_loop().create_future()
            cell = self._table.get(run.key)
            assert cell is not None
            known.set_result(cell)
            return known
        if run.key not in self._under_way:
            self._under_way[run.key] = asyncio.create_task(self._fill(run, priority))
        return asyncio.shield(self._under_way[run.key])

    async def _fill(self, run: ProgramRun, priority: int) -> Cell:
        try:
            cell = await self._once_or_twice(run, priority)
            self._tried.add(run.key)
            await self._recorder.write(cell)
            self._table.put(cell)
            self._give_up_if_hopeless(cell, run.example)
            return cell
        finally:
            self._under_way.pop(run.key, None)

    async def _once_or_twice(self, run: ProgramRun, priority: int) -> Cell:
        """The cell, asked for again where it failed for a reason that passes. A row that hangs is not tried twice."""
        try:
            cell = await self._pool.run(lambda: execute(run, self._scorer), priority, self._row_s)
            if cell.error is not None and cell.error.transient:
                cell = await self._pool.run(lambda: execute(run, self._scorer), priority, self._row_s)
            return cell
        except TookTooLong as late:
            if self._hurry is not None:
                self._pool.refuse(self._hurry)
                self._pool.give_up(self._hurry)
                raise self._hurry from late
            message = f"The program or the metric hangs on this row. {late}"
            return Cell(run.key, None, ErrorClass.TIMEOUT, message, seconds_s=late.limit_s)

    def hurry(self, row_s: float, reason: StudioError) -> None:
        """From now on a row that takes longer than `row_s` ends everything that is asked for with `reason`."""
        self._row_s, self._hurry = row_s, reason

    def _give_up_if_hopeless(self, cell: Cell, example: Example) -> None:
        """End a run in which nothing works before it has spent its budget on errors: nothing further begins."""
        reason = self._watch.why_stop(cell, example)
        if reason is not None:
            self._pool.refuse(reason)
            raise reason
