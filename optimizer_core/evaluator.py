"""Fills cells of the score table: runs the program on an example, scores it, writes it down, hands it on."""

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import dspy

from mipro_studio.optimizer_core.errors import BudgetReached, RunFailed, RunPaused, StopRequested
from mipro_studio.optimizer_core.failures import FailureWatch
from mipro_studio.optimizer_core.metrics import MetricError, Scorer
from mipro_studio.optimizer_core.models.lms import classify
from mipro_studio.optimizer_core.models.meter import collect_calls
from mipro_studio.optimizer_core.pool import WorkPool
from mipro_studio.optimizer_core.recorder import Recorder
from mipro_studio.optimizer_core.score_table import ScoreTable
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, Split, TraceStep

__all__ = ["FEEDBACK", "Evaluator", "Player", "as_dspy", "plain", "run_once"]

CONTROL = (BudgetReached, RunPaused, StopRequested, RunFailed)
"""Raised inside a program run to end it; they say something about the run and nothing about the cell."""

FEEDBACK = "metric_feedback"
"""Key of the metric's own words in a cell's prediction."""

MESSAGE_LENGTH = 500


@dataclass(frozen=True)
class Player:
    """A model in a role, and how prompts are written for it."""

    lm: Any
    adapter: Any


def as_dspy(example: Example) -> dspy.Example:
    """The row as DSPy programs and metrics know it."""
    return dspy.Example(**{**example.inputs, **example.labels}).with_inputs(*example.inputs)


def plain(value: Any) -> Any:
    """`value` as JSON values; what JSON has no word for becomes text."""
    try:
        return json.loads(json.dumps(value, default=str))
    except (TypeError, ValueError, RecursionError):  # odd keys, circles
        return str(value)


class Evaluator:
    """Asks for cells. A cell that is in the table, or under way, is never paid for twice.

    Cells that failed for a reason that passes get a second chance once, after the model's own retries; on a
    resumed run such cells count as not there.

    Args:
        max_program_runs: Cap on the cells asked for, those of the sealed test not counted; None = no cap.
    """

    def __init__(
        self,
        pool: WorkPool,
        recorder: Recorder,
        table: ScoreTable,
        scorer: Scorer,
        max_program_runs: int | None = None,
    ) -> None:
        self._pool = pool
        self._recorder = recorder
        self._table = table
        self._scorer = scorer
        self._under_way: dict[CellKey, asyncio.Task[Cell]] = {}
        self._tried: set[CellKey] = set()
        self._watch = FailureWatch(table.cells())
        self._cap = max_program_runs
        self.program_runs = sum(cell.key.split is not Split.TEST for cell in table.cells())

    @property
    def room(self) -> int | None:
        """Program runs left under the cap; None = no cap."""
        return None if self._cap is None else self._cap - self.program_runs

    def room_for(self, program_runs: int) -> bool:
        """Whether that many more program runs stay within the cap."""
        return self._cap is None or self.program_runs + program_runs <= self._cap

    def missing(self, keys: Iterable[CellKey]) -> list[CellKey]:
        """Those that would have to be paid for."""
        return [key for key in keys if not self._is_known(key) and key not in self._under_way]

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
        player: Player,
        priority: int = 0,
        *,
        bootstrapping: bool = False,
    ) -> list[Cell]:
        """The cells of `candidate` on `examples`, in that order; new ones are committed before this returns.

        Args:
            module: The program with the candidate put in; shared by all threads.
            priority: Lower goes first.
            bootstrapping: Give the trace to the metric, as DSPy does when it decides about demos.

        Raises:
            BudgetReached: the cells would pass a cap; none of them was asked for. Or, as RunPaused and
                StopRequested: the run is ending; cells already under way are still written.
            RunFailed, RunPaused: (nearly) everything fails, see `failures`.
        """
        keys = [CellKey(candidate, example.split, example.id) for example in examples]
        self._reserve(self.missing(keys))
        waiting = [
            self._cell(_ProgramRun(key, module, example, player, bootstrapping), priority)
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

    def _cell(self, run: "_ProgramRun", priority: int) -> "asyncio.Future[Cell]":
        if self._is_known(run.key):
            known: asyncio.Future[Cell] = asyncio.get_running_loop().create_future()
            cell = self._table.get(run.key)
            assert cell is not None
            known.set_result(cell)
            return known
        if run.key not in self._under_way:
            self._under_way[run.key] = asyncio.create_task(self._fill(run, priority))
        return asyncio.shield(self._under_way[run.key])

    async def _fill(self, run: "_ProgramRun", priority: int) -> Cell:
        try:
            cell = await self._pool.run(lambda: _execute(run, self._scorer), priority)
            if cell.error is not None and cell.error.transient:
                cell = await self._pool.run(lambda: _execute(run, self._scorer), priority)
            self._tried.add(run.key)
            await self._recorder.write(cell)
            self._table.put(cell)
            self._give_up_if_hopeless(cell, run.example)
            return cell
        finally:
            self._under_way.pop(run.key, None)

    def _give_up_if_hopeless(self, cell: Cell, example: Example) -> None:
        """End a run in which nothing works before it has spent its budget on errors: nothing further begins."""
        reason = self._watch.why_stop(cell, example)
        if reason is not None:
            self._pool.refuse(reason)
            raise reason


@dataclass(frozen=True, slots=True)
class _ProgramRun:
    """What it takes to fill one cell. `tracing`: the metric is told the trace, as when deciding about demos."""

    key: CellKey
    module: dspy.Module
    example: Example
    player: Player
    tracing: bool


def _execute(run: _ProgramRun, scorer: Scorer) -> Cell:
    """One program run, in a thread of the pool. A failure becomes the cell's error class; control flow passes."""
    started = time.monotonic()
    row = as_dspy(run.example)
    trace: list[Any] = []
    prediction: Any = None
    score: float | None = None
    error: ErrorClass | None = None
    message = ""
    with collect_calls() as log, dspy.context(lm=run.player.lm, adapter=run.player.adapter, trace=trace):
        try:
            prediction = run.module(**row.inputs())
            score = scorer(row, prediction, trace if run.tracing else None)
        except CONTROL:
            raise
        except MetricError as failure:
            # A metric may ask a model itself; when that fails, it is the model's failure and may pass.
            cause = failure.__cause__
            error, message = (classify(cause) if cause else None) or ErrorClass.METRIC, str(failure)
        except (Exception, SystemExit) as failure:  # noqa: BLE001 - the guard around one example: it becomes its class
            error, message = classify(failure) or ErrorClass.PROGRAM, f"{type(failure).__name__}: {failure}"
    if log.refused is not None:
        raise log.refused
    return Cell(
        key=run.key,
        score=None if score is None else float(score),
        error=error,
        error_message=" ".join(message.split())[:MESSAGE_LENGTH],
        usage=log.usage,
        seconds_s=time.monotonic() - started,
        prediction=_answer(prediction, score),
        trace=_steps(run.module, trace),
    )


def _fields(record: Any) -> dict[str, Any]:
    return {str(name): plain(value) for name, value in record.items()}


def _answer(prediction: Any, score: float | None) -> dict[str, Any]:
    """The prediction's fields, and beside them what the metric said about it, if it did."""
    fields = _fields(prediction) if hasattr(prediction, "items") else {}
    feedback = getattr(score, "feedback", "")
    return {**fields, FEEDBACK: feedback} if feedback else fields


def _steps(module: dspy.Module, trace: list[Any]) -> tuple[TraceStep, ...]:
    names = {id(predictor): name for name, predictor in module.named_predictors()}
    return tuple(
        TraceStep(names[id(predictor)], _fields(inputs), _fields(outputs))
        for predictor, inputs, outputs in trace
        if id(predictor) in names
    )


def run_once(module: dspy.Module, example: Example, player: Player, scorer: Scorer, candidate: str) -> Cell:
    """One program run outside of any search: the cell it would have been, written nowhere.

    Raises:
        StudioError: the model's meter refused the call.
    """
    key = CellKey(candidate, example.split, example.id)
    return _execute(_ProgramRun(key, module, example, player, False), scorer)
