"""Which runs of a store belong to a benchmark. Light: the web process reads it, and must not import DSPy."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader, RunSummary

__all__ = ["MARK", "failed", "marks"]

MARK = "benchmark"
"""Key of the receipt that says which setting of which benchmark a run answers."""


def marks(store: Path) -> list[tuple[RunSummary, dict[str, Any]]]:
    """Every run of any benchmark in the store with its mark, newest first."""
    if not store.exists():
        return []
    found = []
    with Reader(store) as reader:
        for run in reader.list_runs(limit=100_000):
            with suppress(StudioError):  # somebody deletes it at this moment
                mark = reader.receipt(run.id).get(MARK)
                if mark:
                    found.append((run, mark))
    return found


def failed(store: Path, run: RunSummary) -> bool:
    """Whether the run ended with an error, or stands still because (nearly) every program run failed: a result."""
    if run.status is Status.PAUSED:
        with Reader(store) as reader:
            return reader.given_up(run.id)
    return run.status is Status.FAILED
