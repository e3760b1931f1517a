"""Whether one process keeps up with a run's program, from what the check's rehearsal measured."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.plurals import plural
from mipro_studio.optimizer_core.sources import is_live

__all__ = ["CHOSEN", "Placement", "Work", "place", "usable_processors"]

CHOSEN = "chosen"
KEEPS_UP = 0.6
"""Share of a processor that the rows of one process may need: beyond it calls wait for Python's lock."""


@dataclass(frozen=True)
class Work:
    """What one row took in a rehearsal, at least: a first row also pays for what is only loaded once.

    Attributes:
        processor_s: Seconds of a processor, in the thread that ran the row.
        row_s: Seconds from its beginning to its cell.
    """

    processor_s: float
    row_s: float

    @classmethod
    def of(cls, processor_s: Sequence[float], rows_s: Sequence[float]) -> "Work | None":
        """The least of what the rows took; None where there was none."""
        return cls(min(processor_s), min(rows_s)) if processor_s and rows_s else None


@dataclass(frozen=True)
class Placement:
    """Where program runs happen, and why in one sentence.

    Attributes:
        executor: As the setting `executor` calls it.
        processes: How many; None for threads of the run's process, and where the executor itself finds out.
    """

    executor: str
    processes: int | None
    why: str

    @property
    def settings(self) -> dict[str, object]:
        """What the run's settings say of it."""
        return {"executor": self.executor, "processes": self.processes}


def usable_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def place(config: RunConfig, work: Work | None, processors: int) -> Placement | None:
    """Where the run's rows belong; None where nobody chose and nothing was measured."""
    if is_live(config.program) or is_live(config.metric):
        return Placement("threads", None, "an object of your own process can be run nowhere else")
    if config.executor == "threads":
        return Placement("threads", None, CHOSEN)
    if config.executor == "processes":
        return Placement("processes", config.processes or processors, CHOSEN)
    if config.executor != "auto":
        return Placement(config.executor, config.processes, CHOSEN)
    if config.row_memory_mb is not None:
        return Placement("processes", config.processes or processors, "memory is limited, which takes processes")
    if work is None or work.row_s <= 0.0:
        return None
    load = config.threads * work.processor_s / work.row_s
    measured = (
        f"{config.threads} rows at once, each with {1000 * work.processor_s:.0f} ms of a processor in "
        f"{work.row_s:.2f} s (DSPy's share among it), need {load:.0%} of a processor"
    )
    wanted = min(math.ceil(load / KEEPS_UP), config.threads)
    if wanted < 2:
        return Placement("threads", None, f"{measured}: threads of one process keep up (up to {KEEPS_UP:.0%}).")
    wanted = min(wanted, config.processes or _room(load, processors))
    if wanted < 2:
        why = f"{measured}; threads all the same: {plural(processors, 'processor')} cannot do more."
        return Placement("threads", None, why)
    why = f"{measured}, more than the {KEEPS_UP:.0%} that one process can do: {wanted} processes."
    return Placement("processes", wanted, why)


def _room(load: float, processors: int) -> int:
    """Processes for rows on a machine.

    The run's own process, which decides and writes, is given a processor of its own, but not one of only two: there
    two processes for rows do more than its threads when the rows need more than one processor (docs/performance.md).
    """
    return 2 if processors == 2 and load > 1.0 else processors - 1
