"""TREC: what does a question ask for? One predictor that answers at once with one of six classes."""

from __future__ import annotations

from typing import Any, Literal

import dspy

from mipro_studio.sample_programs.tasks.paper_tasks import TREC as SAMPLE

__all__ = ["SAMPLE", "NameAnswerType", "QuestionType", "metric", "program"]


class NameAnswerType(dspy.Signature):  # type: ignore[misc]
    """Name the type of answer that the question asks for."""

    text: str = dspy.InputField()
    label: Literal["abbreviation", "description", "entity", "human", "location", "number"] = dspy.OutputField()


class QuestionType(dspy.Module):  # type: ignore[misc]
    """One predictor, ``classify``."""

    def __init__(self) -> None:
        super().__init__()
        self.classify = dspy.Predict(NameAnswerType)

    def forward(self, text: str) -> dspy.Prediction:
        return self.classify(text=text)


program = QuestionType


def metric(example: Any, pred: Any, trace: Any = None) -> float:
    """1 for the right class, else 0."""
    return float(getattr(pred, "label", None) == example.label)
