"""HoVer: find the three articles behind a claim, in three searches of seven passages with summaries between them."""

from __future__ import annotations

from typing import Any

import dspy
from dspy.evaluate import normalize_text

from mipro_studio.sample_programs.tasks.paper_tasks import HOVER as SAMPLE
from mipro_studio.sample_programs.tasks.retrieval import search, titles

__all__ = ["PASSAGES_PER_HOP", "SAMPLE", "RetrieveMultiHop", "metric", "program"]

PASSAGES_PER_HOP = 7


class RetrieveMultiHop(dspy.Module):  # type: ignore[misc]
    """Four predictors, each called once: two summaries and the two queries they lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.create_query_hop2 = dspy.ChainOfThought("claim, summary_1 -> query")
        self.create_query_hop3 = dspy.ChainOfThought("claim, summary_1, summary_2 -> query")
        self.summarize1 = dspy.ChainOfThought("claim, passages: list[str] -> summary")
        self.summarize2 = dspy.ChainOfThought("claim, context, passages: list[str] -> summary")

    def forward(self, claim: str) -> dspy.Prediction:
        hop1 = self._retrieve(claim)
        summary_1 = self.summarize1(claim=claim, passages=hop1).summary
        hop2 = self._retrieve(self.create_query_hop2(claim=claim, summary_1=summary_1).query)
        summary_2 = self.summarize2(claim=claim, context=summary_1, passages=hop2).summary
        query = self.create_query_hop3(claim=claim, summary_1=summary_1, summary_2=summary_2).query
        return dspy.Prediction(retrieved_docs=[*hop1, *hop2, *self._retrieve(query)])

    def _retrieve(self, query: str) -> list[str]:
        assert SAMPLE.passages is not None
        return search(SAMPLE.passages, query, PASSAGES_PER_HOP)


program = RetrieveMultiHop


def metric(example: Any, pred: Any, trace: Any = None) -> float:
    """1 when *all* gold articles are among the 21 retrieved, else 0: the paper's "Recall@21" is no fraction."""
    found = {normalize_text(title) for title in titles(list(getattr(pred, "retrieved_docs", None) or ()))}
    return float({normalize_text(title) for title in example.gold_titles} <= found)
