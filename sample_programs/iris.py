"""Iris: three species from four measurements, the smallest task of the MIPRO paper.

The paper asks with ``dspy.ChainOfThought``. A model of 135M parameters reasons itself away from the
answer, so this sample asks with ``dspy.Predict`` and an answer of ``Literal`` type, which the embedded
model's grammar enforces. Seed instruction, field names and the 75 test flowers are the paper's.

Data: scikit-learn's ``load_iris`` (150 flowers). Two of its rows are the same virginica flower's
measurements; the second is left out, lest one copy be trained on and the other tested, so 149 remain.
"""

from __future__ import annotations

from typing import Any, Literal

import dspy

from mipro_studio.sample_programs.catalog import IRIS as SAMPLE

__all__ = ["SAMPLE", "ClassifyIris", "Iris", "metric", "program"]


class ClassifyIris(dspy.Signature):  # type: ignore[misc]
    """Given the petal and sepal dimensions in cm, predict the iris species."""

    petal_length: float = dspy.InputField()
    petal_width: float = dspy.InputField()
    sepal_length: float = dspy.InputField()
    sepal_width: float = dspy.InputField()
    answer: Literal["setosa", "versicolor", "virginica"] = dspy.OutputField(desc="setosa, versicolor, or virginica")


class Iris(dspy.Module):  # type: ignore[misc]
    """One predictor, ``classify``."""

    def __init__(self) -> None:
        super().__init__()
        self.classify = dspy.Predict(ClassifyIris)

    def forward(
        self, petal_length: float, petal_width: float, sepal_length: float, sepal_width: float
    ) -> dspy.Prediction:
        return self.classify(
            petal_length=petal_length,
            petal_width=petal_width,
            sepal_length=sepal_length,
            sepal_width=sepal_width,
        )


program = Iris


def metric(example: Any, pred: Any, trace: Any = None) -> float:
    """1 for the right species, else 0."""
    return float(getattr(pred, "answer", None) == example.answer)
