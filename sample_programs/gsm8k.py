"""GSM8K: school mathematics in words, as BetterTogether asks it: reason, then answer."""

from __future__ import annotations

import re
from typing import Any, Final

import dspy

from mipro_studio.sample_programs.tasks.paper_tasks import GSM8K as SAMPLE

__all__ = ["SAMPLE", "Gsm8k", "last_number", "metric", "program"]

_NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?")


class Gsm8k(dspy.Module):  # type: ignore[misc]
    """One predictor, ``solve``."""

    def __init__(self) -> None:
        super().__init__()
        self.solve = dspy.ChainOfThought("question -> answer")

    def forward(self, question: str) -> Any:
        return self.solve(question=question)


program = Gsm8k


def last_number(text: object) -> float | None:
    """The last number in a text: "$1,250.00 in all" is 1250. None when it has none."""
    found = _NUMBER.findall(str(text))
    return float(found[-1].replace(",", "")) if found else None


def metric(example: Any, pred: Any, trace: Any = None) -> float:
    """1 when the last number of the answer is the right one, else 0."""
    given = last_number(getattr(pred, "answer", ""))
    return float(given is not None and given == last_number(example.answer))
