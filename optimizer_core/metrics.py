"""The built-in metrics, by name."""

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from mipro_studio.optimizer_core.scoring import Metric, MetricError

__all__ = ["BUILT_IN"]


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
