"""Fills cells of the score table: runs the program on an example, scores it, writes it down, hands it on."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mipro_studio.optimizer_core.errors import BudgetReached, StudioError
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.executor import Executor
from mipro_studio.optimizer_core.evaluation.failures import FailureWatch
from mipro_studio.optimizer_core.evaluation.pool import TookTooLong
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, Role, Split

__all__ = ["Evaluator", "Limits"]


@dataclass(frozen=True)
class Limits:
    """What evaluating may take.

    Attributes:
        program_runs: Cap on the cells asked for, those of the sealed test not counted; None = no cap.
        row_s: Seconds that one program run and its metric may take; None = as long as they take.
        despite_errors: Go on although (nearly) everything fails.
    """

    program_runs: int | None = None
    row_s: float | None = None
    despite_errors: bool = False


class Evaluator:
    """Asks for cells. A cell that is in the table, or under way, is never paid for twice.

    Cells that failed for a reason that passes get a second chance once, after the model's own retries; on a
    resumed run such cells count as not there.

    Args:
        executor: What runs the program.
        limits: See there.
    """

    def __init__(self, executor: Executor, recorder: Recorder, table: ScoreTable, limits: Limits = Limits()) -> None:
        self._executor = executor
        self._recorder = recorder
        self._table = table
        self._under_way: dict[CellKey, asyncio.Task[Cell]] = {}
        self._tried: set[CellKey] = set()
        self._watch = FailureWatch(table.cells(), limits.despite_errors)
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

    def require_room(self, program_runs: int) -> None:
        """
        Raises:
            BudgetReached: that many more program runs would pass the cap.
        """
        if not self.room_for(program_runs):
            raise BudgetReached(f"The cap of {self._cap} program runs is reached.")

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
        arms: ArmContents,
        examples: Sequence[Example],
        role: Role = Role.TASK,
        priority: int = 0,
        *,
        purpose: Purpose = Purpose.EVALUATE,
    ) -> list[Cell]:
        """The cells of `candidate` on `examples`, in that order; new ones are committed before this returns.

        Args:
            arms: What the candidate puts into the program.
            role: Whose model runs the program.
            priority: Lower goes first.
            purpose: What the metric is told and asked.

        Raises:
            BudgetReached: the cells would pass a cap; none of them was asked for. Or, as RunPaused and
                StopRequested: the run is ending; cells already under way are still written.
            RunFailed, TooManyErrors: no call can succeed, or (nearly) everything fails; see `failures`.
        """
        keys = [CellKey(candidate, example.split, example.id) for example in examples]
        self._reserve(self.missing(keys))
        waiting = [
            self._cell(CellRequest(key, arms, example, role, purpose, priority))
            for key, example in zip(keys, examples, strict=True)
        ]
        results = await asyncio.gather(*waiting, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return [result for result in results if isinstance(result, Cell)]

    async def cell(self, request: CellRequest) -> Cell:
        """One cell, which may be a further run of a candidate on a row (`CellKey.rollout`); raises as `cells`."""
        self._reserve(self.missing([request.key]))
        return await self._cell(request)

    def _reserve(self, new: Sequence[CellKey]) -> None:
        counted = sum(key.split is not Split.TEST and self._table.get(key) is None for key in new)
        self.require_room(counted)
        self.program_runs += counted

    def _cell(self, request: CellRequest) -> "asyncio.Future[Cell]":
        key = request.key
        if self._is_known(key):
            known: asyncio.Future[Cell] = asyncio.get_running_loop().create_future()
            cell = self._table.get(key)
            assert cell is not None
            known.set_result(cell)
            return known
        if key not in self._under_way:
            self._under_way[key] = asyncio.create_task(self._fill(request))
        return asyncio.shield(self._under_way[key])

    async def _fill(self, request: CellRequest) -> Cell:
        try:
            cell = await self._once_or_twice(request)
            self._tried.add(request.key)
            await self._recorder.write(cell)
            self._table.put(cell)
            self._give_up_if_hopeless(cell, request.example)
            return cell
        finally:
            self._under_way.pop(request.key, None)

    async def _once_or_twice(self, request: CellRequest) -> Cell:
        """The cell, asked for again where it failed for a reason that passes. A row that hangs is not tried twice."""
        try:
            cell = await self._executor.run(replace(request, limit_s=self._row_s))
            if cell.error is not None and cell.error.transient:
                cell = await self._executor.run(replace(request, limit_s=self._row_s))
            return cell
        except TookTooLong as late:
            if self._hurry is not None:
                self._executor.refuse(self._hurry)
                self._executor.give_up(self._hurry)
                raise self._hurry from late
            message = f"The program or the metric hangs on this row. {late}"
            return Cell(request.key, None, ErrorClass.TIMEOUT, message, seconds_s=late.limit_s)

    def hurry(self, row_s: float, reason: StudioError) -> None:
        """From now on a row that takes longer than `row_s` ends everything that is asked for with `reason`."""
        self._row_s, self._hurry = row_s, reason

    def _give_up_if_hopeless(self, cell: Cell, example: Example) -> None:
        """End a run in which nothing works before it has spent its budget on errors: nothing further begins."""
        reason = self._watch.why_stop(cell, example)
        if reason is not None:
            self._executor.refuse(reason)
            raise reason
