"""The rehearsal of a check, outside of any run: what came of it, and what the run will take over."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BudgetReached, RunFailed, RunPaused
from mipro_studio.optimizer_core.evaluation.executor import ThreadExecutor
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.evaluation.placement import Work
from mipro_studio.optimizer_core.evaluation.tracebacks import frames_of
from mipro_studio.optimizer_core.exports.export import load_saved, save_program
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.runs.assembly import assemble
from mipro_studio.optimizer_core.runs.rehearsal import Problem, notes_of, problem_of, rehearsal_size, rehearse
from mipro_studio.optimizer_core.types import Cell, Example, Spent, Split

__all__ = ["Rehearsal", "rehearsed"]

DEADLINE_S = 60.0
"""Longest wait for the rows. A run waits for its own."""


@dataclass(frozen=True)
class Rehearsal:
    """What came of it in a check.

    Attributes:
        unfinished: Rows that had no answer by the deadline; what they spent is in `spending`.
        problem: None = the program and the metric work.
        notes: What a person should know all the same, in sentences.
        work: What a row took of a processor; None where nothing could be measured.
    """

    cells: tuple[Cell, ...] = ()
    spending: tuple[Spent, ...] = ()
    unfinished: int = 0
    problem: Problem | None = None
    notes: tuple[str, ...] = ()
    work: Work | None = None


def rehearsed(config: RunConfig, examples: Sequence[Example], base: Path) -> Rehearsal:
    """A rehearsal outside of any run; nothing is written but into what is returned.

    A wrong key or model shows in the class of its cells.

    Raises:
        BadInput: program, metric or model cannot be had.
    """
    journal = MemoryJournal()
    journal.commit(list(examples))
    threads = {"executor": "threads", "row_memory_mb": None}
    brief = config.model_copy(update={"retries": min(config.retries, 1), **threads})
    return asyncio.run(_act(brief, journal, base))


async def _act(config: RunConfig, journal: MemoryJournal, base: Path) -> Rehearsal:
    assembled = assemble(config, journal, base)
    try:
        found = await _on_stage(assembled.context, journal, base)
        assert isinstance(assembled.executor, ThreadExecutor)
        rows_s = [cell.seconds_s for cell in found.cells if cell.error is None]
        return replace(found, work=Work.of(assembled.executor.processor_s, rows_s))
    finally:
        assembled.executor.close()


async def _on_stage(context: RunContext, journal: MemoryJournal, base: Path) -> Rehearsal:
    try:
        await context.add_seed_arms()
        notes = _round_trip(context, base)
    except Exception as error:  # noqa: BLE001 - a person's objects refuse to be copied in any way
        words = f"The program cannot be copied: {type(error).__name__}: {error}."
        return Rehearsal(problem=Problem(words, frames_of(error, base)))
    unfinished = 0
    try:
        await asyncio.wait_for(rehearse(context), DEADLINE_S)
    except TimeoutError:
        rows = min(rehearsal_size(context.config), len(context.examples[Split.TRAIN]))
        unfinished = rows - len(list(journal.cells()))
        notes.append(
            f"{unfinished} of {rows} training rows had no answer after {DEADLINE_S:.0f} s, and the check waited no "
            "longer. A row that hangs holds a run up: look for calls without a timeout."
        )
    except BudgetReached as reached:
        notes.append(f"The check already ran into a cap: {reached}")
    except (RunFailed, RunPaused):
        pass  # what failed is in the cells, with its class
    journal.commit(context.meter.changed())
    order = [row.id for row in context.examples[Split.TRAIN]]
    cells = tuple(sorted(journal.cells(), key=lambda cell: order.index(cell.key.example)))
    problem = problem_of(cells, context.examples[Split.TRAIN])
    return Rehearsal(cells, tuple(journal.spent()), unfinished, problem, (*notes, *notes_of(cells)))


def _round_trip(context: RunContext, base: Path) -> list[str]:
    """Save the program and load it into another copy, as an export will be; what goes wrong, in sentences."""
    module = context.arms.module(context.baseline)
    with TemporaryDirectory() as folder:
        first, second = Path(folder) / "first.json", Path(folder) / "second.json"
        try:
            save_program(module, first)
            save_program(load_saved(context.config, context.program, first), second)
        except Exception as error:  # noqa: BLE001 - saving runs code of a person's own classes
            at = "".join(f" At {frame}." for frame in frames_of(error, base)[-1:])
            return [f"The program cannot be saved and loaded again: {type(error).__name__}: {error}.{at}"]
        before, after = (json.loads(path.read_text()) for path in (first, second))
    differ = [name for name in before if before[name] != after.get(name)]
    return [f"Saved and loaded again, the program is not the same: {', '.join(differ)} differs."] if differ else []
