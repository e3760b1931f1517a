"""Metrics of the papers' tasks on hand-made cases, the known traps among them."""

from __future__ import annotations

import dspy
import pytest

from mipro_studio.sample_programs.answers import exact_answer
from mipro_studio.sample_programs.gsm8k import last_number
from mipro_studio.sample_programs.heart_disease import HeartDisease, HeartDiseaseVote
from mipro_studio.sample_programs.hotpotqa_conditional import RULES, metric, program, published_metric
from mipro_studio.sample_programs.hover import metric as hover_metric
from mipro_studio.sample_programs.iris_typo import ClassifyIris
from mipro_studio.sample_programs.iris_typo import metric as typo_metric
from mipro_studio.sample_programs.scone import ScoNeSignature
from mipro_studio.sample_programs.tasks import convert


@pytest.mark.parametrize(
    ("category", "gold", "answer", "mended", "published"),
    [
        ("date", "1950", "1950 Peace!", 1, 0),  # the published metric gives every date 0
        ("date", "1950", "1950", 0, 0),
        ("date", "May 4, 1950", "May 4 1950 Peace!", 1, 0),
        ("date", "1950", "1951 Peace!", 0, 0),
        ("person", "Ada Lovelace", "ada lovelace", 1, 1),
        ("person", "Ada Lovelace", "Ada Lovelace", 0, 0),
        ("place", "Paris, France", "Paris France", 1, 1),
        ("place", "Paris, France", "Paris, France", 0, 0),
        ("band", "Culture Club", "CULTURE CLUB", 1, 1),
        ("band", "Culture Club", "Culture Club", 0, 0),
        ("year", "1950", "1950", 1, 1),  # a year is no date, as published
        ("year", "1950", "1950 Peace!", 0, 0),
        ("city", "Rome", "rome", 0, 0),
    ],
)
def test_conditional_rules(category: str, gold: str, answer: str, mended: int, published: int) -> None:
    example = dspy.Example(question="?", answer=gold, category=category)
    prediction = dspy.Prediction(answer=answer)
    assert metric(example, prediction) == mended
    assert published_metric(example, prediction) == published


def test_conditional_starts_from_the_rules_and_leaves_the_query_alone() -> None:
    answer, query = (dict(program().named_predictors())[name].signature.instructions
                     for name in ("generate_answer.predict", "generate_query.predict"))  # fmt: skip
    assert answer == RULES and "“Peace!”" in answer
    assert query == "Given the fields `context`, `question`, produce the fields `search_query`."


def test_hover_is_all_or_nothing() -> None:
    example = dspy.Example(gold_titles=["One", "The Two", "Three (film)"])
    two = ["One | a", "Two | b", "Four | c"]
    assert hover_metric(example, dspy.Prediction(retrieved_docs=two)) == 0.0
    assert hover_metric(example, dspy.Prediction(retrieved_docs=[*two, "three film | d"])) == 1.0
    assert hover_metric(example, dspy.Prediction()) == 0.0


def test_iris_typo_offers_a_word_that_is_no_label() -> None:
    assert "versicolour" in ClassifyIris.output_fields["answer"].json_schema_extra["desc"]
    example = dspy.Example(answer="versicolor")
    assert typo_metric(example, dspy.Prediction(answer="versicolour")) == 0.0
    assert typo_metric(example, dspy.Prediction(answer="Versicolor.")) == 1.0


def test_heart_disease_draws_three_opinions_and_votes_on_them() -> None:
    module = HeartDisease()
    assert [name for name, _ in module.named_predictors()] == [
        *("classify[0].predict", "classify[1].predict", "classify[2].predict"),
        "vote.predict",
    ]
    temperatures = [predictor.config.get("temperature") for predictor in module.predictors()]
    assert temperatures == [0.7, 0.71, 0.72, None]
    assert "trainee opinions" in HeartDiseaseVote.instructions
    lm = dspy.utils.DummyLM(
        [{"reasoning": "see\nthe pulse.", "answer": "no."}] * 3 + [{"reasoning": "", "answer": "yes"}]
    )
    inputs = dict.fromkeys(convert_inputs(), "unknown")
    with dspy.context(lm=lm, adapter=dspy.ChatAdapter(), trace=[]):
        assert module(**inputs).answer == "yes"
        _, asked, _ = dspy.settings.trace[-1]
    assert asked["context"] == ["I'm a trainee doctor, trying to see the pulse. Hence, my answer is no."] * 3


def convert_inputs() -> tuple[str, ...]:
    from mipro_studio.sample_programs import CATALOG

    return CATALOG["heart_disease"].inputs


def test_scone_starts_from_the_papers_odd_seed() -> None:
    assert ScoNeSignature.instructions == "context, question -> answer"


@pytest.mark.parametrize(
    ("text", "number"),
    [("The answer is $1,250.00.", 1250.0), ("-3", -3.0), ("3 of 7", 7.0), ("none", None), ("12.", 12.0), ("", None)],
)
def test_gsm8k_takes_the_last_number(text: str, number: float | None) -> None:
    assert last_number(text) == number


def test_an_answer_that_is_missing_or_no_text_scores_0() -> None:
    example = dspy.Example(answer="yes")
    assert [
        exact_answer(example, dspy.Prediction(**given)) for given in ({}, {"answer": None}, {"answer": "Yes."})
    ] == [
        0.0,
        0.0,
        1.0,
    ]


def test_official_rows_become_ours() -> None:
    facts = {"title": ["A", "B", "A"], "sent_id": [0, 1, 2]}
    hotpot = {
        "question": "q",
        "answer": "a",
        "supporting_facts": facts,
        "context": {"title": ["A", "B"], "sentences": [["One. ", "Two."], ["Three."]]},
    }
    assert convert.hotpotqa_row(hotpot, "test")["gold_titles"] == ["A", "B"]
    assert convert.passages(hotpot)[0] == {"title": "A", "text": "One. Two."}
    claim = {"claim": "c", "supporting_facts": [["A", 0], ["B", 0], ["C", 1], ["C", 2]], "hpqa_id": "h"}
    made = convert.hover_row(claim, "train")
    assert made is not None and made["gold_titles"] == ["A", "B", "C"]
    assert convert.hover_row({**claim, "supporting_facts": [["A", 0]]}, "train") is None
    edited = {"sentence1_edited": "X.", "sentence2_edited": "The cat sat.", "gold_label_edited": "neutral"}
    row = convert.scone_row(edited, "train", "no_negation", 3)
    assert (row["question"], row["answer"]) == ("Can we logically conclude for sure that the cat sat?", "No")
    assert convert.gsm8k_row({"question": "q", "answer": "so\n#### 1,200"}, "test")["answer"] == "1200"
    heart = convert.heart_row({"sex": 1, "cp": 4, "thal": "7", "age": 60, "target": 1}, "")
    assert heart == {"sex": "male", "cp": "asymptomatic", "thal": "reversible defect", "age": "60", "answer": "yes",
                     }  # fmt: skip
    assert convert.trec_row({"text": "t", "coarse_label": 5}, "test")["label"] == "number"
    assert convert.sst2_row({"text": "t", "label": 0}, "test")["label"] == "negative"
