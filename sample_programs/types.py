"""The record that describes a sample program. Free of DSPy, so that a list of samples shows at once."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mipro_studio.sample_programs.tasks.files import SPLIT, folder, retrieval_server

__all__ = ["Row", "Sample", "SampleModule"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Sample:
    """One sample: what a list shows, where its rows are and what to start the optimizer with.

    ``split`` is the train/validation/test share; ``stratify`` the column whose values every part
    holds in the same proportion; ``defaults`` override the optimizer's own settings.

    ``fixed_split`` tells that the rows name their split in a column of that name, as the papers' do; then ``split``
    and the seed do not matter. ``files`` are data files that do not come along, ``passages`` those that a
    retrieval server can stand in for. ``embedded_ok`` tells whether the embedded model can do the task at all.
    ``paper`` says how numbers measured here relate to the paper's.
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
    fixed_split: bool = False
    files: tuple[str, ...] = ()
    passages: str | None = None
    embedded_ok: bool = True
    paper: str = ""

    def rows(self) -> list[Row]:
        """All rows, in the file's order. CSV values are text, JSONL values keep their type.

        Raises:
            FileNotFoundError: a data file is not there; the message says how to get it.
        """
        if callable(self.data):
            return self.data()
        text = self.data.read_text(encoding="utf-8")
        if self.data.suffix == ".csv":
            return [dict(row) for row in csv.DictReader(text.splitlines())]
        # split("\n"), as splitlines() would also cut at separators that JSON allows inside a text.
        return [json.loads(line) for line in text.split("\n") if line.strip()]

    @property
    def split_column(self) -> str | None:
        return SPLIT if self.fixed_split else None

    def missing(self) -> list[str]:
        """Data files that are not on this machine; nothing is read or imported to find out."""
        wanted = [*self.files]
        if self.passages and retrieval_server() is None:
            wanted.append(self.passages)
        return [name for name in wanted if not (folder() / name).is_file()]

    @property
    def runs_here(self) -> bool:
        """Whether one click starts it: the embedded model can do it and its data is here."""
        return self.embedded_ok and not self.missing()


class SampleModule(Protocol):
    """What :func:`sample_programs.get_sample` returns: a module with these three names."""

    SAMPLE: Sample

    def program(self) -> Any:
        """A new ``dspy.Module``; takes no arguments."""

    def metric(self, example: Any, pred: Any, trace: Any = None) -> float:
        """The score of one prediction, 0 to 1."""
