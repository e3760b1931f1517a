from typing import Any

import dspy
import pytest

from mipro_studio.optimizer_core.metrics import BUILT_IN
from mipro_studio.optimizer_core.scoring import MetricError, Scorer


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
