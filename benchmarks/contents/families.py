"""The families of the landscape of contents, which `benchmarks.pipeline` compares searches on."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dspy

from mipro_studio.benchmarks.contents import program
from mipro_studio.benchmarks.contents.landscape import Contents

__all__ = ["FAMILIES", "Family"]

PROGRAMS = {1: "Single", 2: "program", 4: "Four"}
FILE = "benchmarks/contents/program.py"


@dataclass(frozen=True)
class Family:
    """A program and its metric (names in `contents.program`), how often it is right at first, and who writes.

    Attributes:
        level: Key of `landscape.FLOORS`.
        skill: Of a prompt model that can write; None for one that cannot.
    """

    level: str
    predictors: int = 2
    metric: str = "metric"
    skill: float | None = None

    def world(self, seed: int) -> Contents:
        """One draw."""
        return Contents(self.level, seed, skill=self.skill, predictors=self.predictors)

    def module(self) -> Any:
        """The seed program."""
        found: Callable[[], dspy.Module] = getattr(program, PROGRAMS[self.predictors])
        return found()

    @property
    def scorer(self) -> Callable[..., float]:
        """The metric."""
        found: Callable[..., float] = getattr(program, self.metric)
        return found

    @property
    def settings(self) -> dict[str, str]:
        """Program and metric as a run of ours names them."""
        return {"program": f"{FILE}:{PROGRAMS[self.predictors]}", "metric": f"{FILE}:{self.metric}"}


FAMILIES = {
    "25": Family("25"),
    "5": Family("5"),
    "1": Family("1"),
    "single": Family("25", predictors=1),
    "four": Family("25", predictors=4),
    "graded": Family("5", metric="graded"),
    "noisy": Family("25", metric="noisy"),
    "saturated": Family("80"),
    "writer": Family("5", skill=0.5),
}
"""Two predictors, a binary metric and a prompt model that cannot write, where nothing else is said."""
