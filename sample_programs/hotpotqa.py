"""HotPotQA: a question that needs two articles. Two predictors, three calls: the query predictor is called twice."""

from __future__ import annotations

from typing import Any

import dspy

from mipro_studio.sample_programs.answers import exact_answer as metric
from mipro_studio.sample_programs.tasks.paper_tasks import HOTPOT_PASSAGES
from mipro_studio.sample_programs.tasks.paper_tasks import HOTPOTQA as SAMPLE
from mipro_studio.sample_programs.tasks.retrieval import search

__all__ = ["HOPS", "PASSAGES_PER_HOP", "SAMPLE", "MultiHop", "metric", "program"]

HOPS = 2
PASSAGES_PER_HOP = 3


class MultiHop(dspy.Module):  # type: ignore[misc]
    """``generate_query`` (both hops) and ``generate_answer``, with DSPy's default seed instructions as in the paper.

    Args:
        answer: Signature of the answering predictor.
    """

    def __init__(self, answer: Any = "context: list[str], question -> answer") -> None:
        super().__init__()
        self.generate_query = dspy.ChainOfThought("context: list[str], question -> search_query")
        self.generate_answer = dspy.ChainOfThought(answer)

    def forward(self, question: str) -> dspy.Prediction:
        context: list[str] = []
        for _ in range(HOPS):
            query = self.generate_query(context=context, question=question).search_query
            # A new list: the first call's trace keeps the one it was given.
            context = [*context, *search(HOTPOT_PASSAGES, query, PASSAGES_PER_HOP)]
        answer = self.generate_answer(context=context, question=question).answer
        return dspy.Prediction(context=context, answer=answer)


program = MultiHop
