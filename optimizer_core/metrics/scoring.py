"""How a metric is called, and what it may return: the same that `dspy.Evaluate`, bootstrapping and GEPA do."""

import asyncio
import inspect
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput, GivenUp, StudioError, told

__all__ = ["Metric", "MetricError", "ScoreWithFeedback", "Scorer", "as_score"]

Metric = Callable[..., Any]
"""(example, prediction[, trace[, pred_name, pred_trace]]) -> a number or a truth value; higher is better."""

EXTRAS = ("trace", "pred_name", "pred_trace")
"""What a metric may take beside example and prediction, in DSPy's order."""


class MetricError(StudioError):
    """The metric raised, or returned something that is not a finite number."""


def as_score(value: Any) -> float:
    """`value` as a finite float. A `dspy.Prediction` with a `score` (metrics with feedback) counts as its score.

    Raises:
        MetricError: text, None, NaN, infinity or anything else that is no number.
    """
    try:
        number = value if hasattr(value, "__float__") else getattr(value, "score", value)
        if isinstance(number, str) or not hasattr(number, "__float__"):
            raise TypeError
        number = float(number)
    except Exception as error:  # a person's class may raise anything where it is asked for its number
        raise MetricError(
            f"The metric returned {_shown(value)}, which is not a number.",
            "Return a float or a bool, or dspy.Prediction(score=..., feedback=...).",
        ) from error
    if not math.isfinite(number):
        raise MetricError(f"The metric returned {number}.", "Return a finite number.")
    return number


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - as above
        return f"a {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:199]}…"


class ScoreWithFeedback(float):
    """A score whose metric also said why (a `dspy.Prediction` with `score` and `feedback`)."""

    def __new__(cls, score: float, feedback: str) -> "ScoreWithFeedback":
        made = super().__new__(cls, score)
        made.feedback = feedback
        return made

    feedback: str


class Scorer:
    """A metric, called as it wants to be called, its answer checked.

    Evaluating, it is given example and prediction, as `dspy.Evaluate` does, and None for whatever else it insists on;
    bootstrapping, the trace as well; asked about one predictor, all five arguments of GEPA's protocol. A coroutine
    is run to its end.

    Attributes:
        per_predictor: It can be asked about one predictor.

    Raises:
        BadInput: it cannot be called with example and prediction.
    """

    def __init__(self, metric: Metric, name: str) -> None:
        self.name = name
        self._metric = metric
        self._shape = _shape(metric, name)
        self.per_predictor = self._shape.takes("pred_name")

    def __call__(self, example: Any, prediction: Any, trace: Any = None) -> float:
        """Score of `prediction`; `trace` is given only while bootstrapping, as DSPy does.

        Raises:
            MetricError: the metric raised or did not return a number.
        """
        value = self._call(example, prediction, () if trace is None else (trace,))
        score = as_score(value)
        said = _feedback(value)
        return ScoreWithFeedback(score, said) if said else score

    def feedback(self, example: Any, prediction: Any, trace: Any, pred_name: str, pred_trace: Any) -> str:
        """What it says about one predictor's call, as GEPA asks; empty where it says nothing.

        Args:
            trace: The whole run as [(predictor, inputs, prediction)]; `pred_trace`: the one call, in that form.

        Raises:
            MetricError: as when it is called.
        """
        value = self._call(example, prediction, (trace, pred_name, pred_trace))
        as_score(value)
        return _feedback(value)

    def _call(self, example: Any, prediction: Any, extras: tuple[Any, ...]) -> Any:
        given, named = self._shape.arguments(extras)
        try:
            value = self._metric(example, prediction, *given, **named)
            return asyncio.run(_awaited(value)) if inspect.isawaitable(value) else value
        except (StudioError, GivenUp):
            raise
        except BaseException as error:  # a person's code may raise anything; it is wrapped once, here
            raise MetricError(f"The metric {self.name!r} raised {told(error)}.") from error


def _feedback(value: Any) -> str:
    return str(getattr(value, "feedback", None) or "")


async def _awaited(value: Awaitable[Any]) -> Any:
    return await value


@dataclass(frozen=True)
class _Shape:
    """Where a metric takes what of `EXTRAS`.

    Attributes:
        placed: Those that it takes by position only, from the third on.
        named: Of the others, the parameter that takes each.
        insisted: The parameters without a default among `named`.
        rest: It takes any further ones by position (*args).
    """

    placed: tuple[str, ...] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    insisted: frozenset[str] = frozenset()
    rest: bool = False

    def takes(self, name: str) -> bool:
        return self.rest or name in self.placed or name in self.named

    def arguments(self, extras: tuple[Any, ...]) -> tuple[list[Any], dict[str, Any]]:
        """By position and by name; what it insists on and is not given is None."""
        known: Mapping[str, Any] = dict(zip(EXTRAS, extras, strict=False))
        if self.rest and not self.named:
            return list(extras), {}
        given = [known.get(name) for name in self.placed]
        named = {parameter: known[name] for name, parameter in self.named.items() if name in known}
        return given, {**dict.fromkeys(self.insisted), **named}


def _shape(metric: Metric, name: str) -> _Shape:
    try:
        parameters = _parameters(metric)
    except ValueError:  # a builtin that does not tell its parameters
        return _Shape()
    rest = any(one.kind is one.VAR_POSITIONAL for one in parameters)
    positional = [one for one in parameters if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    slots = [*positional[2:], *(one for one in parameters if one.kind is one.KEYWORD_ONLY)]
    # By its name where it has the name, so that metric(example, prediction, threshold=0.5, trace=None) keeps its
    # threshold; by DSPy's order otherwise.
    homes = {one.name: one for one in slots if one.name in EXTRAS and one.kind is not one.POSITIONAL_ONLY}
    for extra, one in zip(EXTRAS, positional[2:], strict=False):
        if extra not in homes and one.name not in homes:
            homes[extra] = one
    taken = {one.name for one in homes.values()}
    wanting = [one for one in slots if one.default is one.empty and one.name not in taken]
    if (len(positional) < 2 and not rest) or wanting:
        raise BadInput(
            f"The metric {name!r} cannot be called with an example and a prediction: it takes "
            f"({', '.join(str(one) for one in parameters)}).",
            "Write it as metric(example, prediction, trace=None), or with GEPA's pred_name and pred_trace behind.",
        )
    placed = tuple(
        extra
        for extra, one in sorted(homes.items(), key=lambda home: EXTRAS.index(home[0]))
        if one.kind is one.POSITIONAL_ONLY
    )
    named = {extra: one.name for extra, one in homes.items() if extra not in placed}
    insisted = frozenset(one.name for extra, one in homes.items() if extra in named and one.default is one.empty)
    return _Shape(placed, named, insisted, rest)


def _parameters(metric: Metric) -> list[inspect.Parameter]:
    found = list(inspect.signature(metric).parameters.values())
    forward = getattr(type(metric), "forward", None)
    if forward is not None and all(one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD) for one in found):
        # A dspy.Module: its __call__ takes anything and hands it to forward().
        return list(inspect.signature(forward).parameters.values())[1:]
    return found
