"""The built-in metrics: what counts as the label, of whatever type."""

import dataclasses
import datetime
import decimal
import enum
import json
import math
import random
import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import dspy
import numpy as np
import pytest
from dspy.experimental import Choice, Noul, Score
from pydantic import BaseModel

from mipro_studio.optimizer_core.metrics.built_in import BUILT_IN, built_in_metric
from mipro_studio.optimizer_core.metrics.scoring import MetricError, Scorer


def score(metric: str, guess: Any, truth: Any) -> float:
    example = dspy.Example(question="q", answer=truth, note="a label nobody predicts").with_inputs("question")
    return Scorer(BUILT_IN[metric], metric)(example, dspy.Prediction(answer=guess))


@pytest.mark.parametrize(
    ("metric", "guess", "truth", "expected"),
    [
        ("exact_match", " Paris ", "Paris", 1.0),
        ("exact_match", "paris", "Paris", 0.0),
        ("exact_match", 3, "3", 1.0),
        ("normalized_exact_match", "The  Paris!", "paris", 1.0),
        ("normalized_exact_match", "a theme", "theme", 1.0),
        ("normalized_exact_match", "heme", "the me", 0.0),
        ("token_f1", "the cat sat", "cat sat down", 2 * 1.0 * (2 / 3) / (1.0 + 2 / 3)),
        ("token_f1", "cat cat", "cat", 2 * 0.5 * 1.0 / 1.5),
        ("token_f1", "dog", "cat", 0.0),
        ("token_f1", "the", "a", 1.0),
        ("token_f1", "", "cat", 0.0),
        ("numeric", "so the answer is 1,234.50 dollars", "1234.5", 1.0),
        ("numeric", "first 3, then -4", "-4", 1.0),
        ("numeric", "1e3", 1000, 1.0),
        ("numeric", "no number", "no number", 0.0),
        ("numeric", "4", "5", 0.0),
    ],
)
def test_a_built_in_metric(metric: str, guess: Any, truth: Any, expected: float) -> None:
    assert score(metric, guess, truth) == pytest.approx(expected)


def test_a_built_in_metric_is_the_mean_over_the_predicted_labels() -> None:
    example = dspy.Example(text="t", a="x", b="y", c="z").with_inputs("text")
    both = Scorer(BUILT_IN["exact_match"], "exact_match")(example, dspy.Prediction(a="x", b="no", text="t"))
    assert both == 0.5
    with pytest.raises(MetricError, match=r"none of the label columns \['a', 'b', 'c'\]: it has \['other'\]"):
        Scorer(BUILT_IN["exact_match"], "exact_match")(example, dspy.Prediction(other="x"))


class Found(BaseModel):
    answer: str
    sure: bool = True


@pytest.mark.parametrize(
    ("given", "put_out", "expected"),
    [
        ({"answer": "x"}, "x", 1.0),
        ({"answer": "x"}, "text with an answer in it", 0.0),
        ({"answer": 3}, 3, 1.0),
        ({"answer": ["a", "b"]}, ["a", "b"], 1.0),
        ({"answer": "x", "sure": True}, Found(answer="x", sure=False), 0.5),
        ({"found": {"answer": "x", "sure": True}}, Found(answer="x"), 1.0),
        ({"answer": "x", "sure": True}, {"answer": "x"}, 1.0),
    ],
    ids=repr,
)
def test_a_program_may_put_out_what_is_no_prediction(given: dict[str, Any], put_out: Any, expected: float) -> None:
    example = dspy.Example(question="q", **given).with_inputs("question")
    assert built_in_metric("exact_match")(example, put_out) == expected


@pytest.mark.parametrize("put_out", [None, "x", ("x", "y")], ids=repr)
def test_what_tells_no_label_apart_is_not_scored(put_out: Any) -> None:
    example = dspy.Example(question="q", answer="x", **({} if put_out is None else {"other": "y"})).with_inputs(
        "question"
    )
    with pytest.raises(MetricError, match="none of the label columns"):
        built_in_metric("exact_match")(example, put_out)


def test_labels_that_are_named_are_scored_and_no_others() -> None:
    example = dspy.Example(text="t", a="x", b="y", c="z").with_inputs("text")
    prediction = dspy.Prediction(a="x", b="no", c="no")
    assert built_in_metric("exact_match", ["a"])(example, prediction) == 1.0
    assert built_in_metric("exact_match", ["a", "c", "gone"])(example, prediction) == 0.5


def test_reasoning_is_not_scored_unless_it_is_named() -> None:
    example = dspy.Example(q="q", reasoning="two and two", answer="4").with_inputs("q")
    prediction = dspy.Prediction(reasoning="four it is", answer="4")
    assert BUILT_IN["exact_match"](example, prediction) == 1.0
    assert built_in_metric("exact_match", ["reasoning"])(example, prediction) == 0.0


def test_a_label_that_a_row_lacks_does_not_count() -> None:
    example = dspy.Example(q="q", a="x").with_inputs("q")
    assert built_in_metric("exact_match", ["a", "b"])(example, dspy.Prediction(a="x", b="anything")) == 1.0


class Level(enum.Enum):
    LOW = 1
    HIGH = "high"


class Mood(enum.StrEnum):
    CALM = "angry"  # its neighbour's name, to be told apart by values first
    ANGRY = "calm"


class Part(BaseModel):
    name: str
    level: Level = Level.LOW
    made: datetime.date | None = None


class Order(BaseModel):
    parts: list[Part]
    paid: bool


@dataclasses.dataclass
class Point:
    x: float
    y: float = 0.0


class Pair(NamedTuple):
    left: int
    right: str


DAY = datetime.date(2026, 11, 21)
NOON = datetime.datetime(2026, 11, 21, 12, 0)
ORDER = Order(parts=[Part(name="bolt", level=Level.HIGH, made=DAY)], paid=True)
ORDER_JSON = {"parts": [{"name": "bolt", "level": "high", "made": "2026-11-21"}], "paid": "true"}


def named(pairs: Sequence[tuple[Any, Any]]) -> list[str]:
    """Names of cases that are the same in every process, which the order of a set is not."""

    def shown(value: Any) -> str:
        return f"set {sorted(value)}" if isinstance(value, set) else repr(value)

    return [f"{shown(guess)} {shown(truth)}"[:60] for guess, truth in pairs]


ALIKE: list[tuple[Any, Any]] = [
    *((True, truth) for truth in (True, "true", "True", " TRUE ", "yes", 1, 1.0, "1", np.bool_(True))),
    *((False, truth) for truth in (False, "false", "No", 0, "0")),
    *(("true", truth) for truth in (True, 1 == 1)),
    *((3, truth) for truth in (3, 3.0, "3", "3.0", " 3 ", "+3", decimal.Decimal("3.00"), np.int64(3), np.float32(3))),
    *((guess, 1234.5) for guess in (1234.5, "1234.5", "1,234.50", "1.2345e3")),
    (0.1 + 0.2, 0.3),
    (10**17 + 1, str(10**17 + 1)),
    *((Level.LOW, truth) for truth in (Level.LOW, 1, "1", "LOW", "Level.LOW")),
    *((guess, Level.HIGH) for guess in (Level.HIGH, "high", "HIGH")),
    (Mood.CALM, "angry"),
    (Mood.ANGRY, "calm"),
    (None, None),
    (None, ""),
    *((DAY, truth) for truth in (DAY, "2026-11-21", "2026-11-21T00:00:00", datetime.datetime(2026, 11, 21))),
    *((truth, NOON) for truth in (NOON, "2026-11-21T12:00:00", "2026-11-21 12:00")),
    (datetime.time(8, 30), "08:30"),
    *((ORDER, truth) for truth in (ORDER, ORDER_JSON, json.dumps(ORDER_JSON), str(ORDER_JSON), ORDER.model_dump())),
    (ORDER_JSON, ORDER),
    (json.dumps(ORDER_JSON), ORDER),
    (Part(name="nut"), {"name": "nut"}),
    (Part(name="nut"), {"name": "nut", "level": "LOW", "made": None, "noted": "a column the model knows not"}),
    *((Point(1.0), truth) for truth in (Point(1), {"x": 1}, {"x": "1", "y": 0}, '{"x": 1.0, "y": 0.0}')),
    *((Pair(1, "a"), truth) for truth in (Pair(1, "a"), {"left": 1, "right": "a"}, [1, "a"], (1, "a"))),
    ({"a": [1, {"b": True}]}, {"a": ["1", {"b": "true"}]}),
    ('{"a": 1}', {"a": 1}),
    ({1: "x"}, {"1": "x"}),
    *((["a", "b"], truth) for truth in (["a", "b"], ("a", "b"), '["a", "b"]', "['a', 'b']", np.array(["a", "b"]))),
    ('["a", "b"]', ["a", "b"]),
    ({"a", "b"}, ["b", "a"]),
    ([], []),
    ([], "[]"),
    ("Paris", ["Paris", "paris, France"]),
    (dspy.Code(code="x = 1"), "x = 1"),
    (dspy.Image("https://example.org/a.png"), "https://example.org/a.png"),
    (uuid.UUID(int=7), str(uuid.UUID(int=7))),
    ("caf\u00e9", "cafe\u0301"),
    ("two\nlines", "two\r\nlines "),
]


@pytest.mark.parametrize(("guess", "truth"), ALIKE, ids=named(ALIKE))
@pytest.mark.parametrize("metric", ["exact_match", "normalized_exact_match"])
def test_a_typed_value_is_the_label_that_says_the_same(metric: str, guess: Any, truth: Any) -> None:
    assert score(metric, guess, truth) == 1.0


UNLIKE: list[tuple[Any, Any]] = [
    *((True, truth) for truth in (False, "false", 0, 2, "maybe", None, [True], "2")),
    *((False, truth) for truth in (True, "", None, "none", -1)),
    *((3, truth) for truth in (4, "4", 3.1, "3 apples", "33", "-3", None, "", [3], "three", float("nan"))),
    (float("nan"), float("nan")),
    (10**17 + 1, 10**17),
    (str(10**17 + 1), 10**17),
    ("3.5", 35),
    ("-5", 5),
    *((Level.LOW, truth) for truth in (Level.HIGH, "high", 2, "medium", None, "")),
    (Mood.CALM, "calm"),
    (DAY, "2026-11-22"),
    (DAY, "21.11.2026"),
    (DAY, NOON),
    (None, "None"),
    (None, 0),
    (None, []),
    (ORDER, {**ORDER_JSON, "paid": False}),
    (ORDER, {"parts": []}),
    (ORDER, "bolt"),
    (Part(name="nut"), {"level": "low"}),
    (Part(name="nut"), {"name": "nut", "made": "2026-11-21"}),
    (Point(1.0), {"x": 1, "z": 2}),
    (Point(1.0), {"y": 0}),
    ({"a": 1}, {"a": 1, "b": 2}),
    ({"a": 1}, {"b": 1}),
    ({"a": 1}, "a"),
    (["a", "b"], ["b", "a"]),
    (["a", "b"], ["a"]),
    (["a"], "a"),
    ({"a", "b"}, ["a", "a"]),
    ({"a"}, ["b"]),
    ("Rome", ["Paris", "London"]),
    ("C++", "C#"),
    ("3.5", "35"),
    ("-5", "5"),
    ("1/2", "3/2"),
    ("1,5", "15"),
    ("1.5", "15"),
    ("A+", "A-"),
    ("50%", "50"),
    ("$5", "€5"),
    ("!", "?"),
    ("👍", "👎"),
]


@pytest.mark.parametrize(("guess", "truth"), UNLIKE, ids=named(UNLIKE))
@pytest.mark.parametrize("metric", ["exact_match", "normalized_exact_match"])
def test_a_typed_value_is_not_a_label_that_says_otherwise(metric: str, guess: Any, truth: Any) -> None:
    assert score(metric, guess, truth) == 0.0
    if not isinstance(guess, list):  # a text may be any one of a list of right answers
        assert score(metric, truth, guess) == 0.0


LOW = Choice[("low", "few of them"), ("high", "many")](value="low", confidence=0.6)
YES = Noul(value=True, confidence=0.2, probability=0.6)
GOOD = Score["poor", "fair", "good"](value=1.75, level=2, confidence=0.5, probabilities={0: 0.0, 1: 0.25, 2: 0.75})


@pytest.mark.parametrize(
    ("guess", "truth", "expected"),
    [
        (LOW, "low", 1.0),
        (LOW, "high", 0.0),
        (LOW, {"value": "low", "confidence": 1.0}, 1.0),
        (LOW, LOW.model_copy(update={"confidence": 0.9}), 1.0),
        (YES, "true", 1.0),
        (YES, False, 0.0),
        (GOOD, 2, 1.0),
        (GOOD, "2", 1.0),
        (GOOD, 1, 0.0),
        (GOOD, 1.75, 1.0),
    ],
)
@pytest.mark.parametrize("metric", ["exact_match", "normalized_exact_match"])
def test_a_decision_is_what_it_decides_however_sure(metric: str, guess: Any, truth: Any, expected: float) -> None:
    assert score(metric, guess, truth) == expected


def test_texts_are_exact_and_order_counts_in_lists() -> None:
    assert score("exact_match", "3", "3.0") == 0.0
    assert score("exact_match", "The Cat.", "the cat") == score("exact_match", Level.LOW, "low") == 0.0
    assert score("normalized_exact_match", ["The Cat.", "DOG"], ["cat", "dog"]) == 1.0
    assert score("normalized_exact_match", {"pet": "the cat"}, {"pet": "Cat"}) == 1.0
    assert score("normalized_exact_match", "Low.", Level.LOW) == 1.0
    assert score("normalized_exact_match", "True.", True) == 1.0


def test_token_f1_of_what_is_no_text() -> None:
    assert score("token_f1", "cat sat", ["a dog", "the cat sat down"]) == pytest.approx(0.8)
    assert score("token_f1", ["red", "blue"], ["red", "green"]) == pytest.approx(0.5)
    assert score("token_f1", True, "true") == 1.0
    assert score("token_f1", 3, 4) == 0.0
    assert score("token_f1", Part(name="nut"), {"name": "nut"}) == 1.0


def test_a_number_of_any_type_is_compared_as_one() -> None:
    for guess in (1, 1.0, decimal.Decimal(1), np.float64(1), "1", "It is 1."):
        assert score("numeric", guess, 1) == score("numeric", 1, guess) == 1.0
    assert score("numeric", float("nan"), float("nan")) == 0.0
    assert score("numeric", float("inf"), "1e999") == 0.0
    assert score("numeric", [1, 2], [1.0, "2"]) == 1.0
    assert score("numeric", None, "") == 0.0


def test_a_sweep_of_numbers_is_equal_to_itself_and_to_nothing_else() -> None:
    draw = random.Random(0)
    values = [draw.choice([1, -1]) * round(10 ** draw.uniform(-3, 7), draw.randint(0, 4)) for _ in range(300)]
    forms = [lambda v: v, repr, lambda v: f"{v:,}", lambda v: f"{v!r} ", decimal.Decimal]
    for one in values:
        same = draw.choice(forms)(one)
        assert score("exact_match", one, same) == score("numeric", one, same) == 1.0, (one, same)
        other = draw.choice([value for value in values if not math.isclose(value, one, rel_tol=1e-5)])
        assert score("exact_match", one, draw.choice(forms)(other)) == 0.0, (one, other)
        assert score("numeric", str(one), draw.choice(forms)(other)) == 0.0, (one, other)
