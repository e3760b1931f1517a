"""One program run on one example: it is called, scored and becomes a cell of the score table."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import dspy

from mipro_studio.optimizer_core.errors import BudgetReached, GivenUp, RunFailed, RunPaused, StopRequested, told
from mipro_studio.optimizer_core.evaluation.tracebacks import frames_of, where, without_folders
from mipro_studio.optimizer_core.metrics.scoring import MetricError, Scorer
from mipro_studio.optimizer_core.models.calls import CallRecord, collect_calls
from mipro_studio.optimizer_core.models.classes import classify
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.programs.program_inputs import as_dspy, call, inputs_of
from mipro_studio.optimizer_core.programs.values import as_prompted, encode
from mipro_studio.optimizer_core.seeds import generator
from mipro_studio.optimizer_core.telemetry import span
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, TraceStep, Usage

__all__ = ["CONTROL", "ProgramRun", "Purpose", "execute", "run_once"]

CONTROL = (BudgetReached, RunPaused, StopRequested, RunFailed)
"""Raised inside a program run to end it; they say something about the run and nothing about the cell."""

MESSAGE_LENGTH = 500


class Purpose(Enum):
    """What a program run is for: deciding about demos, the metric is told the trace; for whoever reflects on the run,
    it is asked about each predictor as well, where it can be."""

    EVALUATE = "evaluate"
    BOOTSTRAP = "bootstrap"
    REFLECT = "reflect"


@dataclass(frozen=True, slots=True)
class ProgramRun:
    """What it takes to fill one cell.

    Attributes:
        purpose: What the metric is told and asked.
        folders: Where relative paths of images and other files are looked up.
    """

    key: CellKey
    module: dspy.Module
    example: Example
    role_model: RoleModel
    purpose: Purpose = Purpose.EVALUATE
    folders: tuple[Path, ...] = ()


def execute(run: ProgramRun, scorer: Scorer) -> Cell:
    """One program run, in a thread of the pool. A failure becomes the cell's error class; control flow passes."""
    key, name = run.key, type(run.module).__name__
    with span(
        f"invoke_workflow {name}",
        gen_ai__operation__name="invoke_workflow",
        gen_ai__workflow__name=name,
        mipro_studio__candidate=key.candidate,
        mipro_studio__split=key.split.value,
        mipro_studio__example=key.example,
    ) as spoken:
        cell = _executed(run, scorer)
        if cell.error is not None:
            spoken.failed(cell.error.value)
        else:
            spoken.event(
                "gen_ai.evaluation.result",
                gen_ai__evaluation__name=scorer.name,
                gen_ai__evaluation__score__value=cell.score,
            )
        return cell


def _executed(run: ProgramRun, scorer: Scorer) -> Cell:
    started = time.monotonic()
    trace = _Trace()
    prediction: Any = None
    score: float | None = None
    said: dict[int, str] = {}
    error: ErrorClass | None = None
    message = ""
    frames: tuple[str, ...] = ()
    with collect_calls(lm=run.role_model.lm, adapter=run.role_model.adapter, trace=trace) as log:
        try:
            row = as_dspy(run.example, inputs_of(run.module).types, run.folders)
            prediction = call(run.module, row, list(run.example.inputs))
            calls = list(trace)  # a metric that asks a model itself adds calls of its own
            score = scorer(row, prediction, trace if run.purpose is Purpose.BOOTSTRAP else None)
            if run.purpose is Purpose.REFLECT and scorer.per_predictor:
                said = _about_predictors(run, scorer, (row, prediction), calls)
        except (*CONTROL, GivenUp):
            raise
        except BaseException as failure:  # noqa: BLE001 - the guard around one example: whatever it is, it is the row's
            score, (error, message, frames) = None, _failure(failure, log.calls, run.folders)
    if log.refused is not None:
        raise log.refused
    try:
        answer, steps = _answer(prediction), _steps(run.module, trace, said)
    except Exception as failure:  # noqa: BLE001 - what a program hands back may raise wherever it is looked at
        answer, steps, score, error = {}, (), None, ErrorClass.PROGRAM
        message = f"What the program gave back cannot be written down: {told(failure)}"
    return Cell(
        key=run.key,
        score=None if score is None else float(score),
        error=error,
        error_message=" ".join(message.split())[:MESSAGE_LENGTH],
        usage=log.usage,
        seconds_s=time.monotonic() - started,
        prediction=answer,
        trace=steps,
        feedback=getattr(score, "feedback", ""),
        frames=frames,
        by_predictor=_shares(run.module, log.calls),
    )


class _Trace(list[Any]):
    """DSPy's trace of a program run, with the inputs of each call as they were then: a program that gathers what it
    found in one list goes on with that list, and a demo would show a call what came only after it."""

    def append(self, step: Any) -> None:
        predictor, inputs, outputs = step
        super().append((predictor, _as_it_is_now(inputs), outputs))


def _as_it_is_now(value: Any) -> Any:
    """A copy of plain containers, all the way in; anything else is itself."""
    if type(value) is dict:
        return {key: _as_it_is_now(one) for key, one in value.items()}
    if type(value) in (list, set, tuple):
        return type(value)(map(_as_it_is_now, value))
    return value


def _shares(module: dspy.Module, calls: Sequence[CallRecord]) -> dict[str, Usage]:
    """What the answered calls of each predictor took; a call that the program made itself is nobody's."""
    names = {id(predictor): name for name, predictor in module.named_predictors()}
    shares: dict[str, Usage] = {}
    for made in calls:
        if (name := names.get(id(made.caller))) is not None:
            shares[name] = shares.get(name, Usage()) + made.usage
    return shares


def _failure(
    error: BaseException, calls: Sequence[CallRecord], folders: Sequence[Path]
) -> tuple[ErrorClass, str, tuple[str, ...]]:
    """(its class, in words, the frames of the person's code) of what ended a program run.

    A metric may ask a model itself; when that fails, it is the model's failure and may pass.
    """
    base = folders[0] if folders else None
    own = ErrorClass.METRIC if isinstance(error, MetricError) else ErrorClass.PROGRAM
    raised = error.__cause__ if isinstance(error, MetricError) else error
    words = without_folders(str(error) if isinstance(error, MetricError) else told(error), base)
    kind = classify(raised, calls) if raised is not None else None
    if raised is None or kind is not None:
        return kind or own, words, ()
    frames = frames_of(raised, base)
    at = f"{'' if words.endswith('.') else '.'} At {where(frames)}." if where(frames) else ""
    return own, words + at, frames


def _about_predictors(
    run: ProgramRun, scorer: Scorer, scored: tuple[Any, Any], calls: Sequence[Any]
) -> dict[int, str]:
    """What the metric says about one call of each predictor (place in `calls` -> words), as `dspy.GEPA` asks it.

    Of several calls one is drawn, the same whenever the row is run.
    """
    said = {}
    for name, predictor in run.module.named_predictors():
        places = [place for place, (called, _, _) in enumerate(calls) if called is predictor]
        if places:
            place = generator(0, "feedback", run.key.example, name).choice(places)
            said[place] = scorer.feedback(*scored, calls, name, [calls[place]])
    return said


def _answer(prediction: Any) -> dict[str, Any]:
    """The prediction's fields, or a record's; any other value is `output`. Nobody reads them back."""
    if prediction is None:
        return {}
    if hasattr(prediction, "items"):
        return {str(name): as_prompted(value) for name, value in prediction.items()}
    shown = as_prompted(prediction)
    return shown if isinstance(shown, dict) else {"output": shown}


def _steps(module: dspy.Module, trace: list[Any], said: Mapping[int, str]) -> tuple[TraceStep, ...]:
    names = {id(predictor): name for name, predictor in module.named_predictors()}
    return tuple(
        TraceStep(names[id(predictor)], _fields(predictor, inputs), _fields(predictor, outputs), said.get(place, ""))
        for place, (predictor, inputs, outputs) in enumerate(trace)
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
    role_model: RoleModel,
    scorer: Scorer,
    candidate: str,
    folders: tuple[Path, ...] = (),
) -> Cell:
    """One program run outside of any search: the cell it would have been, written nowhere.

    Raises:
        StudioError: the model's meter refused the call.
    """
    key = CellKey(candidate, example.split, example.id)
    return execute(ProgramRun(key, module, example, role_model, folders=folders), scorer)
