"""The answer metric that several tasks share."""

from __future__ import annotations

from typing import Any

from dspy.evaluate import answer_exact_match

__all__ = ["exact_answer"]


def exact_answer(example: Any, pred: Any, trace: Any = None) -> float:
    """DSPy's exact match of `answer` (case, articles and punctuation do not count) as 1 or 0.

    A prediction without an answer scores 0: DSPy's function would raise.
    """
    answer = getattr(pred, "answer", None)
    return float(isinstance(answer, str) and bool(answer_exact_match(example, pred)))
