"""HotPotQA Conditional: the form of the answer depends on what the answer is, and the seed instruction says how.

The paper's metric takes punctuation away *before* it looks for a final "peace!", so a date that obeys its rule and
ends with "Peace!" never equals the gold date, and one that does not fails the rule: every date scores 0. `metric`
mends that and nothing else; `published_metric` is the published one.
"""

from __future__ import annotations

import string
from typing import Any, Final

import dspy

from mipro_studio.sample_programs.hotpotqa import MultiHop
from mipro_studio.sample_programs.tasks.paper_tasks import CONDITIONAL as SAMPLE

__all__ = ["RULES", "SAMPLE", "AnswerByRules", "metric", "program", "published_metric"]

ENDING: Final = "Peace!"
RULES: Final = (
    "When the answer is a person, respond entirely in lowercase.  When the answer is a place, ensure your response "
    "contains no punctuation.  When the answer is a date, end your response with “Peace!”.  Never end your response "
    'with "Peace!" under other circumstances.  When the answer is none of the above categories respond in all caps.'
)


class AnswerByRules(dspy.Signature):  # type: ignore[misc]
    context: list[str] = dspy.InputField(desc="Passages relevant to answering the question")
    question: str = dspy.InputField(desc="Question we want an answer to")
    answer: str = dspy.OutputField(desc="Answer to the question")


def program() -> MultiHop:
    """The multi-hop program with the rules as the answering predictor's seed instruction."""
    return MultiHop(AnswerByRules.with_instructions(RULES))


def metric(example: Any, pred: Any, trace: Any = None) -> float:
    """1 for the right answer in the right form, else 0. `example.category` is the raw category of the data set.

    Only exactly "person", "place" and "date" count as such, as published: a year or a city must be in capitals.
    """
    answer = str(getattr(pred, "answer", "") or "")
    body = answer.strip()
    if example.category == "date":
        body = body.removesuffix(ENDING)
    return float(_bare(body) == _bare(example.answer) and _well_formed(answer, example.category))


def published_metric(example: Any, pred: Any, trace: Any = None) -> float:
    """The metric as published: a date always scores 0."""
    answer = str(getattr(pred, "answer", "") or "")
    same = _bare_as_published(answer) == _bare_as_published(example.answer)
    return float(same and _well_formed(answer, example.category))


def _well_formed(answer: str, category: str) -> bool:
    match category:
        case "place":
            return not any(mark in answer for mark in ",.?!;:")
        case "date":
            return answer.rstrip().endswith(ENDING)
        case "person":
            return answer == answer.lower()
        case _:
            return answer == answer.upper() and not answer.endswith(ENDING)


def _bare(text: str) -> str:
    return "".join(mark for mark in text.lower() if mark not in string.punctuation).strip()


def _bare_as_published(text: str) -> str:
    bare = "".join(mark for mark in text if mark not in string.punctuation).lower()
    return bare[:-6].strip() if bare.endswith("peace!") else bare
