from typing import Any

import dspy
import numpy as np
import pytest

from mipro_studio.optimizer_core.errors import BudgetReached
from mipro_studio.optimizer_core.metrics import BUILT_IN, MetricError, Scorer, as_score


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
    with pytest.raises(MetricError, match=r"none of the label columns \['a', 'b', 'c'\]"):
        Scorer(BUILT_IN["exact_match"], "exact_match")(example, dspy.Prediction(other="x"))


class Unfloatable:
    def __repr__(self) -> str:
        return "Unfloatable()"

    def __float__(self) -> float:
        raise ValueError("no")


@pytest.mark.parametrize(
    "value",
    [
        "1.0",
        None,
        float("nan"),
        float("inf"),
        [1.0],
        1j,
        dspy.Prediction(other=1.0),
        np.array([1.0, 2.0]),
        Unfloatable(),
    ],
    ids=repr,
)
def test_what_is_no_finite_number_is_refused(value: Any) -> None:
    with pytest.raises(MetricError, match="returned"):
        Scorer(lambda example, prediction, trace: value, "mine")(None, None)


@pytest.mark.parametrize(
    ("value", "expected"), [(True, 1.0), (0, 0.0), (np.float32(0.5), 0.5), (np.bool_(True), 1.0), (-2.5, -2.5)]
)
def test_numbers_and_truth_values_are_scores(value: Any, expected: float) -> None:
    assert as_score(value) == expected
    assert type(as_score(value)) is float


def test_a_prediction_with_a_score_counts_as_its_score() -> None:
    assert as_score(dspy.Prediction(score=0.25, feedback="so so")) == 0.25
    with pytest.raises(MetricError):
        as_score(dspy.Prediction(score="high"))


def test_a_metric_that_raises_is_named_with_what_it_raised() -> None:
    def mine(example: Any, prediction: Any, trace: Any = None) -> float:
        return 1 / 0

    with pytest.raises(MetricError, match="'mine' raised ZeroDivisionError: division by zero"):
        Scorer(mine, "mine")(None, None)


def test_a_cap_reached_inside_a_metric_passes_through() -> None:
    def judged(example: Any, prediction: Any, trace: Any = None) -> float:
        raise BudgetReached("The cap is reached.")

    with pytest.raises(BudgetReached):
        Scorer(judged, "judged")(None, None)


def test_a_metric_that_does_not_want_the_trace_is_called_without_it() -> None:
    assert Scorer(lambda example, prediction: 1.0, "two")(None, None, []) == 1.0
    seen = []
    Scorer(lambda example, prediction, trace=None: seen.append(trace) or 1.0, "three")(None, None, ["step"])
    assert seen == [["step"]]
