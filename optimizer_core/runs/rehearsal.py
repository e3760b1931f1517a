"""A rehearsal: the real program on a training row or two, with the real models and the real metric, before all else.

What it runs are cells of the run, of the baseline on training rows: they are kept and never paid for again. It goes
through everything that a run will: a copy of the program, threads other than the one that imported it, the export.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import TooManyErrors
from mipro_studio.optimizer_core.evaluation.failures import TRY_AGAIN
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.registry import get_optimizer
from mipro_studio.optimizer_core.programs.importing import way_out_of
from mipro_studio.optimizer_core.runs.plan import REHEARSAL_ROWS
from mipro_studio.optimizer_core.types import Cell, ErrorClass, Example, Split

__all__ = ["Problem", "notes_of", "problem_of", "rehearsal_size", "rehearse", "require_working"]

PRIORITY = -1
OWN = (ErrorClass.PROGRAM, ErrorClass.METRIC)
BOUND = re.compile(r"same thread|in thread '|main thread", re.IGNORECASE)
IN_THREADS = "A program runs in other threads than the one that imports it: open such things where they are used."
_NO_FIELD = re.compile(r"'(?P<what>Example|Prediction)' object has no attribute '(?P<name>\w+)'")
_NO_MODEL = (
    "The program asked no model on the training rows tried, so no prompt can change its score. Does forward() call "
    "its predictors? Calls that are not made through DSPy are not seen."
)


@dataclass(frozen=True)
class Problem:
    """Why a run should not be started before something is mended; `frames` are the lines of code to look at."""

    message: str
    frames: tuple[str, ...] = ()


async def rehearse(context: RunContext) -> list[Cell]:
    """The baseline's cells on the first training rows.

    Raises:
        RunFailed, RunPaused, BudgetReached: as `Evaluator.cells`.
    """
    rows = context.examples[Split.TRAIN][: rehearsal_size(context.config)]
    return await context.evaluate(context.baseline, rows, PRIORITY, purpose=_purpose(context.config))


def _purpose(config: RunConfig) -> Purpose:
    """As the optimizer itself would run the program on these rows: the cells are its own."""
    optimizer = get_optimizer(config.optimizer)
    if optimizer.reflects:
        return Purpose.REFLECT
    return Purpose.BOOTSTRAP if optimizer.tunes(config) else Purpose.EVALUATE


def rehearsal_size(config: RunConfig) -> int:
    """Most rows of a rehearsal: a cap on program runs holds for it too."""
    cap = config.budget.max_program_runs
    return REHEARSAL_ROWS if cap is None else min(REHEARSAL_ROWS, cap)


def problem_of(cells: Sequence[Cell], rows: Sequence[Example]) -> Problem | None:
    """What a person has to mend: every row fails in the program or the metric.

    Args:
        rows: The rows that the cells are of, whose columns are named where one of them is asked for in vain.
    """
    failed = [cell for cell in cells if cell.error in OWN]
    if not failed or len(failed) < len(cells):
        return None
    first = failed[0]
    where = "" if first.error is ErrorClass.METRIC else "The program failed: "
    hint = IN_THREADS if BOUND.search(first.error_message) else way_out_of(first.error_message)
    hint = hint or _what_there_is(first, rows)
    return Problem(f"{where}{first.error_message} {hint}".strip(), first.frames)


def _what_there_is(cell: Cell, rows: Sequence[Example]) -> str:
    """The names that a row or an answer has, where the metric asks it for another one; else nothing."""
    asked = _NO_FIELD.search(cell.error_message) if cell.error is ErrorClass.METRIC else None
    if asked is None:
        return ""
    if asked["what"] == "Prediction":
        return f"The program puts out: {', '.join(cell.prediction)}." if cell.prediction else ""
    there = [name for row in rows[:1] for name in (*row.inputs, *row.labels)]
    return (
        f"Rows have: {', '.join(there)}. Rename a column (--rename COLUMN={asked['name']}; in the form, Map columns)."
    )


def require_working(cells: Sequence[Cell], config: RunConfig, rows: Sequence[Example]) -> None:
    """Stop a run whose program or metric failed on every row of its rehearsal, unless a person wants it all the same.

    Raises:
        TooManyErrors: with the line to look at.
    """
    problem = problem_of(cells, rows)
    if problem is not None and not (config.start_anyway or config.despite_errors):
        raise TooManyErrors(f"The run was tried on its first rows. {problem.message}", TRY_AGAIN)


def notes_of(cells: Sequence[Cell]) -> list[str]:
    """What stops nobody: failures of some rows only, or of what the model answered; a program that asks no model."""
    notes = [_NO_MODEL] if cells and not any(cell.error or cell.usage.calls or cell.trace for cell in cells) else []
    kinds: dict[ErrorClass, list[Cell]] = {}
    for cell in cells:
        if cell.error is not None and not cell.error.transient:
            kinds.setdefault(cell.error, []).append(cell)
    for kind, failed in kinds.items():
        if kind in OWN and len(failed) == len(cells):
            continue
        words = failed[0].error_message.rstrip(".")
        some = f"{len(failed)} of {len(cells)} training rows tried had no score ({kind}): {words}."
        notes.append(f"{some} A run is given up early where that happens on nearly every row.")
    return notes
