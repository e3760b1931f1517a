"""Metrics: what a score is. Built-in ones by name, a person's own function, and the check on what it returns."""

import inspect
import math
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from mipro_studio.optimizer_core.errors import StudioError

__all__ = ["BUILT_IN", "Metric", "MetricError", "ScoreWithFeedback", "Scorer", "as_score"]

Metric = Callable[..., Any]
"""(example, prediction) or (example, prediction, trace) -> a number or a truth value; higher is better."""


class MetricError(StudioError):
    """The metric raised, or returned something that is not a finite number."""


def as_score(value: Any) -> float:
    """`value` as a finite float. A `dspy.Prediction` with a `score` (metrics with feedback) counts as its score.

    Raises:
        MetricError: text, None, NaN, infinity or anything else that is no number.
    """
    value = getattr(value, "score", value)
    try:
        if isinstance(value, str) or not hasattr(value, "__float__"):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise MetricError(
            f"The metric returned {value!r}, which is not a number.", "Return a float or a bool."
        ) from error
    if not math.isfinite(number):
        raise MetricError(f"The metric returned {number}.", "Return a finite number.")
    return number


class ScoreWithFeedback(float):
    """A score whose metric also said why (a `dspy.Prediction` with `score` and `feedback`)."""

    def __new__(cls, score: float, feedback: str) -> "ScoreWithFeedback":
        made = super().__new__(cls, score)
        made.feedback = feedback
        return made

    feedback: str


class Scorer:
    """A metric, called as it wants to be called, its answer checked."""

    def __init__(self, metric: Metric, name: str) -> None:
        self.name = name
        self._metric = metric
        self._wants_trace = _takes_three(metric)

    def __call__(self, example: Any, prediction: Any, trace: Any = None) -> float:
        """Score of `prediction`; `trace` is given only while bootstrapping, as DSPy does.

        Raises:
            MetricError: the metric raised or did not return a number.
        """
        try:
            value = self._metric(*((example, prediction, trace) if self._wants_trace else (example, prediction)))
        except StudioError:
            raise
        except Exception as error:  # a person's code may raise anything; it is wrapped once, here
            raise MetricError(
                f"The metric {self.name!r} raised {type(error).__name__}: {error}.", "Mend it and run again."
            ) from error
        score = as_score(value)
        feedback = getattr(value, "feedback", None)
        return ScoreWithFeedback(score, str(feedback)) if feedback else score


def _takes_three(metric: Metric) -> bool:
    try:
        inspect.signature(metric).bind(None, None, None)
    except TypeError:
        return False
    except ValueError:  # a builtin that does not tell its parameters
        return True
    return True


def _normalize(text: str) -> str:
    """Lower case, no punctuation, no English articles, single spaces (SQuAD's normalization)."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def _numbers(text: str) -> float | None:
    found = re.findall(r"-?\d[\d,]*\.?\d*(?:[eE][-+]?\d+)?", text)
    return float(found[-1].replace(",", "")) if found else None


def _compare(compare: Callable[[str, str], float]) -> Metric:
    def metric(example: Any, prediction: Any, trace: Any = None) -> float:
        """Mean of the comparison over the example's labels that the prediction has a field for."""
        labels: Mapping[str, Any] = dict(example.labels().items())
        fields = [name for name in labels if name in prediction]
        if not fields:
            raise MetricError(
                f"The prediction has none of the label columns {sorted(labels)}.",
                "Name the label column as the program's output.",
            )
        return sum(compare(str(prediction[name]), str(labels[name])) for name in fields) / len(fields)

    return metric


def _token_f1(guess: str, truth: str) -> float:
    guessed, true = _normalize(guess).split(), _normalize(truth).split()
    common = sum((Counter(guessed) & Counter(true)).values())
    if not guessed or not true:
        return float(guessed == true)
    if common == 0:
        return 0.0
    precision, recall = common / len(guessed), common / len(true)
    return 2 * precision * recall / (precision + recall)


def _numeric(guess: str, truth: str) -> float:
    guessed, true = _numbers(guess), _numbers(truth)
    return float(guessed is not None and true is not None and math.isclose(guessed, true, rel_tol=1e-6))


BUILT_IN: Mapping[str, Metric] = {
    "exact_match": _compare(lambda guess, truth: float(guess.strip() == truth.strip())),
    "normalized_exact_match": _compare(lambda guess, truth: float(_normalize(guess) == _normalize(truth))),
    "token_f1": _compare(_token_f1),
    "numeric": _compare(_numeric),
}
"""Metrics by name; each is the mean over the label columns that the program predicts, in [0, 1]."""
