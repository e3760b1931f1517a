"""SST-2: is a sentence from a film review positive or negative? One predictor that answers at once."""

from __future__ import annotations

from typing import Any, Literal

import dspy

from mipro_studio.sample_programs.tasks.paper_tasks import SST2 as SAMPLE

__all__ = ["SAMPLE", "JudgeReview", "ReviewSentiment", "metric", "program"]


class JudgeReview(dspy.Signature):  # type: ignore[misc]
    """Decide whether the film review is positive or negative."""

    text: str = dspy.InputField()
    label: Literal["positive", "negative"] = dspy.OutputField()


class ReviewSentiment(dspy.Module):  # type: ignore[misc]
    """One predictor, ``judge``."""

    def __init__(self) -> None:
        super().__init__()
        self.judge = dspy.Predict(JudgeReview)

    def forward(self, text: str) -> dspy.Prediction:
        return self.judge(text=text)


program = ReviewSentiment


def metric(example: Any, pred: Any, trace: Any = None) -> float:
    """1 for the right label, else 0."""
    return float(getattr(pred, "label", None) == example.label)
