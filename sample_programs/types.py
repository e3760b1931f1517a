"""The record that describes a sample program. Free of DSPy, so that a list of samples shows at once."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Row", "Sample", "SampleModule"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """One sample: what a list shows, where its rows are and what to start the optimizer with.

    ``split`` is the train/validation/test share; ``stratify`` the column whose values every part
    holds in the same proportion; ``defaults`` override the optimizer's own settings.
    """

    name: str
    title: str
    description: str
    licence: str
    inputs: tuple[str, ...]
    data: Path | Callable[[], list[Row]]
    split: tuple[float, float, float]
    stratify: str | None = None
    defaults: dict[str, Any] = field(default_factory=dict)
    task_model: str = "embedded"

    def rows(self) -> list[Row]:
        """All rows, in the file's order. CSV values are text, JSONL values keep their type."""
        if callable(self.data):
            return self.data()
        text = self.data.read_text(encoding="utf-8")
        if self.data.suffix == ".csv":
            return [dict(row) for row in csv.DictReader(text.splitlines())]
        # split("\n"), as splitlines() would also cut at separators that JSON allows inside a text.
        return [json.loads(line) for line in text.split("\n") if line.strip()]


class SampleModule(Protocol):
    """What :func:`sample_programs.get_sample` returns: a module with these three names."""

    SAMPLE: Sample

    def program(self) -> Any:
        """A new ``dspy.Module``; takes no arguments."""

    def metric(self, example: Any, pred: Any, trace: Any = None) -> float:
        """The score of one prediction, 0 to 1."""
