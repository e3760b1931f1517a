"""ScoNe: entailment under nested negation, answered with Yes or No after reasoning.

The seed instruction is DSPy's harness's own: the text "context, question -> answer", which a signature string put
there by mistake and the paper started from.
"""

from __future__ import annotations

from typing import Any

import dspy

from mipro_studio.sample_programs.answers import exact_answer as metric
from mipro_studio.sample_programs.tasks.paper_tasks import SCONE as SAMPLE

__all__ = ["SAMPLE", "ScoNe", "ScoNeSignature", "metric", "program"]


class ScoNeSignature(dspy.Signature):  # type: ignore[misc]
    """context, question -> answer"""

    context: str = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField(desc="Yes or No")


class ScoNe(dspy.Module):  # type: ignore[misc]
    """One predictor, ``generate_answer``."""

    def __init__(self) -> None:
        super().__init__()
        self.generate_answer = dspy.ChainOfThought(ScoNeSignature)

    def forward(self, context: str, question: str) -> Any:
        return self.generate_answer(context=context, question=question)


program = ScoNe
