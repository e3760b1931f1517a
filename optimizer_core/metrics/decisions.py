"""DSPy's decisions (a choice, a truth value or a graded score, with its confidence) as what they decide."""

from collections.abc import Mapping
from typing import Any

from dspy.experimental import Choice, Noul, Score

__all__ = ["decided", "value_type"]

_KINDS = (Choice, Noul, Score)


def decided(guess: Any, truth: Any) -> tuple[Any, Any]:
    """Both without confidence: labels have none. A score is its level where the label is a whole number."""
    if isinstance(guess, _KINDS) and isinstance(truth, Mapping) and "value" in truth:
        truth = truth["value"]
    return _value(guess, truth), _value(truth, guess)


def _value(one: Any, other: Any) -> Any:
    if isinstance(one, Score) and one.level is not None and _is_whole(other):
        return one.level
    return one.value if isinstance(one, _KINDS) else one


def _is_whole(value: Any) -> bool:
    try:
        return float(value).is_integer()
    except (TypeError, ValueError, OverflowError):
        return False


def value_type(annotation: Any) -> Any:
    """What a decision of this type decides between; any other annotation is itself."""
    decides = isinstance(annotation, type) and issubclass(annotation, _KINDS)
    return annotation.model_fields["value"].annotation if decides else annotation
