"""How a metric is called and what it may return, held against `dspy.Evaluate` where that has a say."""

import functools
from decimal import Decimal
from typing import Any

import dspy
import numpy as np
import pytest

from mipro_studio.optimizer_core.errors import BadInput, BudgetReached
from mipro_studio.optimizer_core.metrics.scoring import Metric, MetricError, Scorer, as_score

EXAMPLE = dspy.Example(text="t", answer="x").with_inputs("text")
PREDICTION = dspy.Prediction(answer="x")


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
        (0.5, "half of it"),
        {"score": 0.5},
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
    "value",
    [
        True,
        0,
        np.float32(0.5),
        np.bool_(True),
        np.int64(3),
        -2.5,
        Decimal("0.25"),
        dspy.Prediction(score=0.25, feedback="so so"),
        dspy.Prediction(score=np.float64(0.25)),
        dspy.Prediction(score=True),
        dspy.Prediction(score="0.25"),
    ],
    ids=repr,
)
def test_what_dspy_takes_as_a_score_is_one(value: Any) -> None:
    program = dspy.Module()
    program.forward = lambda text: PREDICTION
    evaluate = dspy.Evaluate(devset=[EXAMPLE] * 3, metric=lambda example, prediction: value, num_threads=1)
    assert as_score(value) == pytest.approx(float(evaluate(program).score) / 100, abs=1e-4)
    assert type(as_score(value)) is float


def test_a_score_that_is_no_number_is_refused_inside_a_prediction_too() -> None:
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


class Calls:
    """Metrics that note how they were called."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def note(self, *seen: Any) -> float:
        self.seen.append(seen)
        return 1.0

    def two(self, gold: Any, pred: Any) -> float:
        return self.note()

    def three(self, gold: Any, pred: Any, trace: Any) -> float:
        return self.note(trace)

    def third_by_another_name(self, gold: Any, pred: Any, tr: Any = "own") -> float:
        return self.note(tr)

    def optional_trace(self, gold: Any, pred: Any, trace: Any = None) -> float:
        return self.note(trace)

    def four(self, gold: Any, pred: Any, trace: Any, pred_name: Any) -> float:
        return self.note(trace, pred_name)

    def five(self, gold: Any, pred: Any, trace: Any, pred_name: Any, pred_trace: Any) -> float:
        return self.note(trace, pred_name, pred_trace)

    def optional_five(
        self, gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> float:
        return self.note(trace, pred_name, pred_trace)

    def with_a_threshold(self, gold: Any, pred: Any, threshold: float = 0.5, trace: Any = None) -> float:
        return self.note(threshold, trace)

    def by_name(
        self, gold: Any, pred: Any, *, trace: Any = None, pred_name: Any = None, pred_trace: Any = None
    ) -> float:
        return self.note(trace, pred_name, pred_trace)

    def must_by_name(self, gold: Any, pred: Any, *, trace: Any) -> float:
        return self.note(trace)

    def by_place_only(self, gold: Any, pred: Any, trace: Any = None, /, **more: Any) -> float:
        return self.note(trace, more)

    def anything(self, *given: Any, **more: Any) -> float:
        return self.note(*given[2:], more)


@pytest.mark.parametrize(
    ("kind", "evaluating", "bootstrapping", "asking"),
    [
        ("two", (), (), ()),
        ("three", (None,), ("T",), ("T",)),
        ("third_by_another_name", ("own",), ("T",), ("T",)),
        ("optional_trace", (None,), ("T",), ("T",)),
        ("four", (None, None), ("T", None), ("T", "p")),
        ("five", (None, None, None), ("T", None, None), ("T", "p", "P")),
        ("optional_five", (None, None, None), ("T", None, None), ("T", "p", "P")),
        ("with_a_threshold", (0.5, None), (0.5, "T"), (0.5, "T")),
        ("by_name", (None, None, None), ("T", None, None), ("T", "p", "P")),
        ("must_by_name", (None,), ("T",), ("T",)),
        ("by_place_only", (None, {}), ("T", {}), ("T", {})),
        ("anything", ({},), ("T", {}), ("T", "p", "P", {})),
    ],
)
def test_a_metric_is_given_what_it_takes(
    kind: str, evaluating: tuple[Any, ...], bootstrapping: tuple[Any, ...], asking: tuple[Any, ...]
) -> None:
    calls = Calls()
    scorer = Scorer(getattr(calls, kind), kind)
    assert scorer(EXAMPLE, PREDICTION) == 1.0
    scorer(EXAMPLE, PREDICTION, "T")
    scorer.feedback(EXAMPLE, PREDICTION, "T", "p", "P")
    assert calls.seen == [evaluating, bootstrapping, asking]
    assert scorer.per_predictor is (kind in ("four", "five", "optional_five", "by_name", "anything"))


class Checker:
    def __call__(self, gold: Any, pred: Any, trace: Any = None) -> bool:
        return bool(gold.answer == pred.answer)


class AsModule(dspy.Module):
    def forward(self, gold: Any, pred: Any, trace: Any = None) -> bool:
        return bool(gold.answer == pred.answer) and trace is None


def within(gold: Any, pred: Any, trace: Any = None, *, most: float) -> bool:
    return most > 0 and bool(gold.answer == pred.answer)


async def awaited(gold: Any, pred: Any, trace: Any = None) -> float:
    return 1.0


@pytest.mark.parametrize(
    "metric",
    [Checker(), Checker().__call__, AsModule(), functools.partial(within, most=1.0), awaited, max],
    ids=["object", "method", "module", "partial", "async", "a builtin"],
)
def test_whatever_can_be_called_is_a_metric(metric: Metric) -> None:
    one = (2.0, 1.0) if metric is max else (EXAMPLE, PREDICTION)
    assert Scorer(metric, "mine")(*one) == (2.0 if metric is max else 1.0)


@pytest.mark.parametrize(
    "metric",
    [
        lambda prediction: 1.0,
        lambda a, b, c, d, e, f: 1.0,
        lambda gold, pred, *, strict: 1.0,
        lambda gold, pred, threshold, trace=None: 1.0,
        within,
    ],
    ids=["one", "six", "an unknown name", "an unknown place", "a partial without its value"],
)
def test_a_metric_that_cannot_be_called_is_refused_before_it_is(metric: Metric) -> None:
    with pytest.raises(BadInput, match=r"'mine' cannot be called with an example and a prediction: it takes \("):
        Scorer(metric, "mine")


def test_feedback_about_the_whole_is_kept_with_the_score() -> None:
    said = Scorer(lambda gold, pred: dspy.Prediction(score=0.5, feedback="half of it"), "mine")(EXAMPLE, PREDICTION)
    assert said == 0.5
    assert getattr(said, "feedback", None) == "half of it"
    none = Scorer(lambda gold, pred: dspy.Prediction(score=0.5, feedback=None), "mine")(EXAMPLE, PREDICTION)
    assert type(none) is float


def test_a_metric_that_gives_up_with_an_exit_is_an_error_of_the_metric() -> None:
    def leaves(gold: Any, pred: Any) -> float:
        raise SystemExit(2)

    with pytest.raises(MetricError, match="'mine' raised SystemExit: 2"):
        Scorer(leaves, "mine")(EXAMPLE, PREDICTION)


class Raising(float):
    """A number that cannot be had, and cannot be shown either."""

    def __float__(self) -> float:
        raise RuntimeError("no number")

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a_number_that_raises_where_it_is_looked_at_is_an_error_of_the_metric() -> None:
    with pytest.raises(MetricError, match="returned a Raising, which is not a number"):
        Scorer(lambda gold, pred: Raising(), "mine")(EXAMPLE, PREDICTION)


def test_an_error_that_has_no_words_is_an_error_of_the_metric() -> None:
    def raises(gold: Any, pred: Any) -> float:
        raise Wordless

    with pytest.raises(MetricError, match="'mine' raised Wordless: it cannot say what is wrong"):
        Scorer(raises, "mine")(EXAMPLE, PREDICTION)
