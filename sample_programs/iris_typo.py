"""Iris with the paper's typo: the prompt offers "versicolour", the label is "versicolor".

A model that answers what it is offered is wrong on every third flower. Demos, and instructions written from them,
can mend that. The program reasons first, as in the paper.
"""

from __future__ import annotations

from typing import Any

import dspy

from mipro_studio.sample_programs.answers import exact_answer as metric
from mipro_studio.sample_programs.catalog import IRIS_TYPO as SAMPLE

__all__ = ["SAMPLE", "ClassifyIris", "IrisTypo", "metric", "program"]


class ClassifyIris(dspy.Signature):  # type: ignore[misc]
    """Given the petal and sepal dimensions in cm, predict the iris species."""

    petal_length: str = dspy.InputField()
    petal_width: str = dspy.InputField()
    sepal_length: str = dspy.InputField()
    sepal_width: str = dspy.InputField()
    answer: str = dspy.OutputField(desc="setosa, versicolour, or virginica")


class IrisTypo(dspy.Module):  # type: ignore[misc]
    """One predictor, ``pred``."""

    def __init__(self) -> None:
        super().__init__()
        self.pred = dspy.ChainOfThought(ClassifyIris)

    def forward(self, petal_length: float, petal_width: float, sepal_length: float, sepal_width: float) -> Any:
        measured = {
            "petal_length": petal_length,
            "petal_width": petal_width,
            "sepal_length": sepal_length,
            "sepal_width": sepal_width,
        }
        return self.pred(**{name: str(value) for name, value in measured.items()})


program = IrisTypo
