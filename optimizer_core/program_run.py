"""One program run on one example: it is called, scored and becomes a cell of the score table."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy

from mipro_studio.optimizer_core.errors import BudgetReached, RunFailed, RunPaused, StopRequested
from mipro_studio.optimizer_core.models.lms import classify
from mipro_studio.optimizer_core.models.meter import collect_calls
from mipro_studio.optimizer_core.program_inputs import as_dspy, call, inputs_of
from mipro_studio.optimizer_core.scoring import MetricError, Scorer
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, TraceStep
from mipro_studio.optimizer_core.values import encode, plain

__all__ = ["CONTROL", "FEEDBACK", "Player", "ProgramRun", "execute", "run_once"]

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


@dataclass(frozen=True, slots=True)
class ProgramRun:
    """What it takes to fill one cell.

    Attributes:
        tracing: The metric is told the trace, as when deciding about demos.
        folders: Where relative paths of images and other files are looked up.
    """

    key: CellKey
    module: dspy.Module
    example: Example
    player: Player
    tracing: bool = False
    folders: tuple[Path, ...] = ()


def execute(run: ProgramRun, scorer: Scorer) -> Cell:
    """One program run, in a thread of the pool. A failure becomes the cell's error class; control flow passes."""
    started = time.monotonic()
    trace: list[Any] = []
    prediction: Any = None
    score: float | None = None
    error: ErrorClass | None = None
    message = ""
    with collect_calls() as log, dspy.context(lm=run.player.lm, adapter=run.player.adapter, trace=trace):
        try:
            row = as_dspy(run.example, inputs_of(run.module).types, run.folders)
            prediction = call(run.module, row, list(run.example.inputs))
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


def _answer(prediction: Any, score: float | None) -> dict[str, Any]:
    """The prediction's fields, and beside them what the metric said about it, if it did. Nobody reads them back."""
    items = prediction.items() if hasattr(prediction, "items") else ()
    fields = {str(name): plain(value) for name, value in items}
    feedback = getattr(score, "feedback", "")
    return {**fields, FEEDBACK: feedback} if feedback else fields


def _steps(module: dspy.Module, trace: list[Any]) -> tuple[TraceStep, ...]:
    names = {id(predictor): name for name, predictor in module.named_predictors()}
    return tuple(
        TraceStep(names[id(predictor)], _fields(predictor, inputs), _fields(predictor, outputs))
        for predictor, inputs, outputs in trace
        if id(predictor) in names
    )


def _fields(predictor: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a call as JSON that `values.decode` reads back by the predictor's signature."""
    declared = predictor.signature.fields
    return {
        str(name): encode(value, declared[name].annotation if name in declared else Any)
        for name, value in values.items()
    }


def run_once(
    module: dspy.Module,
    example: Example,
    player: Player,
    scorer: Scorer,
    candidate: str,
    folders: tuple[Path, ...] = (),
) -> Cell:
    """One program run outside of any search: the cell it would have been, written nowhere.

    Raises:
        StudioError: the model's meter refused the call.
    """
    key = CellKey(candidate, example.split, example.id)
    return execute(ProgramRun(key, module, example, player, False, folders), scorer)
