"""HotPotQA as the BetterTogether paper asks it: each search has a predictor of its own, so there are three."""

from __future__ import annotations

from typing import Any

import dspy
from dspy.dsp.utils import deduplicate

from mipro_studio.sample_programs.answers import exact_answer as metric
from mipro_studio.sample_programs.hotpotqa import HOPS, PASSAGES_PER_HOP
from mipro_studio.sample_programs.tasks.paper_tasks import BETTER_TOGETHER as SAMPLE
from mipro_studio.sample_programs.tasks.paper_tasks import HOTPOT_PASSAGES
from mipro_studio.sample_programs.tasks.retrieval import search

__all__ = ["SAMPLE", "HotPotQAProgram", "metric", "program"]


class HotPotQAProgram(dspy.Module):  # type: ignore[misc]
    """``generate_query[0]``, ``generate_query[1]`` and ``generate_answer``; a passage found twice is kept once."""

    def __init__(self) -> None:
        super().__init__()
        self.generate_query = [
            dspy.ChainOfThought("context: list[str], question -> search_query") for _ in range(HOPS)
        ]
        self.generate_answer = dspy.ChainOfThought("context: list[str], question -> answer")

    def forward(self, question: str) -> Any:
        context: list[str] = []
        for ask in self.generate_query:
            query = ask(context=context, question=question).search_query
            context = deduplicate([*context, *search(HOTPOT_PASSAGES, query, PASSAGES_PER_HOP)])
        answer = self.generate_answer(context=context, question=question).answer
        return dspy.Prediction(context=context, answer=answer)


program = HotPotQAProgram
