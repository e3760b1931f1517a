"""The metrics that come along: each is the mean over the label columns that are scored, from 0 to 1 (best)."""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from mipro_studio.optimizer_core.data.fields import ASIDE
from mipro_studio.optimizer_core.metrics.answer_number import final_number, same_number
from mipro_studio.optimizer_core.metrics.answer_text import as_it_stands, normalized, token_f1
from mipro_studio.optimizer_core.metrics.decisions import decided
from mipro_studio.optimizer_core.metrics.scoring import Metric, MetricError
from mipro_studio.optimizer_core.metrics.typed_equality import alike, is_compound, text_in
from mipro_studio.optimizer_core.programs.value_tags import field_names, is_record

__all__ = ["BUILT_IN", "built_in_metric"]

Compare = Callable[[Any, Any], float]
"""(field of the prediction, label) -> a score in [0, 1]."""


def _f1(guess: Any, truth: Any) -> float:
    """SQuAD's F1 of texts, the best where a text may be any of a list; what is no text is the label or is not."""
    if isinstance(guess, str) and isinstance(truth, list | tuple) and all(isinstance(one, str) for one in truth):
        return max((token_f1(guess, one) for one in truth), default=0.0)
    if isinstance(guess, str) and isinstance(truth, str):
        return token_f1(guess, truth)
    if alike(guess, truth, normalized):
        return 1.0
    return token_f1(text_in(guess), text_in(truth)) if is_compound(guess) or is_compound(truth) else 0.0


def _numeric(guess: Any, truth: Any) -> float:
    one, other = _number(guess), _number(truth)
    if one is not None and other is not None:
        return float(same_number(one, other))
    return 0.0 if isinstance(guess, str) or isinstance(truth, str) else float(alike(guess, truth, as_it_stands))


def _number(value: Any) -> Fraction | None:
    if isinstance(value, str):
        return final_number(value)
    try:
        return None if isinstance(value, bool) else Fraction(value)
    except (TypeError, ValueError, OverflowError):  # no number, NaN, infinity
        return None


_COMPARISONS: Mapping[str, Compare] = {
    "exact_match": lambda guess, truth: float(alike(guess, truth, as_it_stands)),
    "normalized_exact_match": lambda guess, truth: float(alike(guess, truth, normalized)),
    "token_f1": _f1,
    "numeric": _numeric,
}


def built_in_metric(name: str, labels: Sequence[str] = ()) -> Metric:
    """The metric called `name`: the mean over those of `labels` that both the row and the prediction have.

    Args:
        labels: Columns to score; empty = whatever the prediction has a field for, its reasoning apart.

    Raises (when called):
        MetricError: there is nothing to score.
    """
    compare = _COMPARISONS[name]

    def metric(example: Any, prediction: Any, trace: Any = None) -> float:
        given = dict(example.labels().items())
        wanted = [one for one in labels if one in given] or [one for one in given if one not in ASIDE]
        fields = _fields(prediction, wanted)
        scored = [one for one in wanted if one in fields]
        if not scored:
            raise MetricError(
                f"The prediction has none of the label columns {sorted(wanted or given)}: it has {sorted(fields)}.",
                "Name the label column as the program's output (--rename), or name other labels (--labels).",
            )
        return sum(compare(*decided(fields[one], given[one])) for one in scored) / len(scored)

    return metric


def _fields(prediction: Any, wanted: Sequence[str]) -> Mapping[str, Any]:
    """What a program put out, by name: also of a record. Any other value is the one label that is wanted."""
    if hasattr(prediction, "keys"):
        return {str(name): prediction[name] for name in prediction.keys()}  # noqa: SIM118 - a dspy.Prediction
    fields = {name: getattr(prediction, name) for name in field_names(prediction)} if is_record(prediction) else {}
    if prediction is not None and len(wanted) == 1 and wanted[0] not in fields:
        return {wanted[0]: prediction}
    return fields


BUILT_IN: Mapping[str, Metric] = {name: built_in_metric(name) for name in _COMPARISONS}
"""Metrics by name, over whatever labels the prediction has a field for."""
