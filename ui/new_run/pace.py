"""How long a run would take, at the pace of its check. Pure."""

from collections.abc import Mapping
from typing import Any

from mipro_studio.ui.text.format import plural, roughly

__all__ = ["pace_s", "time_words"]


def pace_s(checked: tuple[Any, Any] | None) -> float | None:
    """Seconds of a program run, by the faster row of the last check: a first one may wait for a model to load."""
    answer = checked[1] if checked is not None else None
    cells = (answer.get("rehearsal") or {}).get("cells") or () if isinstance(answer, Mapping) else ()
    return min((float(cell["seconds_s"]) for cell in cells if cell["error"] is None), default=None)


def time_words(program_runs: object, seconds: float | None, threads: int) -> str:
    """`2 min to 5 min on 4 threads`; empty where nothing was measured or planned.

    Args:
        program_runs: As a plan has them: a number, or the least and the most.
        seconds: Of one program run.
    """
    if seconds is None or program_runs is None:
        return ""
    ends = program_runs if isinstance(program_runs, (list, tuple)) else (program_runs, program_runs)
    low, high = (roughly(runs * seconds / threads) for runs in ends)
    return f"{low if low == high else f'{low} to {high}'} on {plural(threads, 'thread')}"
