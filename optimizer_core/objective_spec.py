"""What a search maximizes, as a person writes it: `score - 0.1*seconds, prompt_tokens <= 300`.

The text is read by a small grammar and never run: first `score`, from which any number of prices are taken off (or,
with `+`, put on), then limits behind commas or `and`. `evaluation.objective` says what a term is of a cell.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["QUANTITIES", "SCORE", "ObjectiveSpec", "read_objective"]

SCORE = "score"
"""The objective of whoever wants no other: the metric's score."""

QUANTITIES: Mapping[str, str] = {
    "usd": "dollars a program run",
    "seconds": "seconds a program run",
    "tokens": "tokens a program run",
    "prompt_tokens": "tokens of a prompt",
}
"""What a price or a limit can be put on, and its unit as axes of charts name it. See `evaluation.objective`."""

_NUMBER = r"(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_PRICE = re.compile(rf"\s*([-+])\s*(?:({_NUMBER})\s*\*\s*(\w+)|(\w+)\s*\*\s*({_NUMBER})|(\w+))")
_LIMIT = re.compile(rf"\s*(\w+)\s*(?:<=|≤|<)\s*({_NUMBER})\s*")
EXAMPLE = "Write it like: score - 0.1*seconds, prompt_tokens <= 300. There are " + ", ".join(QUANTITIES) + "."


@dataclass(frozen=True)
class ObjectiveSpec:
    """The score minus prices, under limits.

    Attributes:
        prices: Quantity -> what one unit of it takes off the score.
        limits: Quantity -> the most of it that a program run may take.
    """

    prices: Mapping[str, float] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_score(self) -> bool:
        return not self.prices and not self.limits

    @property
    def quantities(self) -> tuple[str, ...]:
        """Those that count, in the order of `QUANTITIES`."""
        return tuple(name for name in QUANTITIES if name in self.prices or name in self.limits)

    @property
    def text(self) -> str:
        """As `read_objective` reads it back; the same for equal objectives."""
        value = SCORE + "".join(
            f" {'-' if price > 0 else '+'} {abs(price):.15g}*{name}" for name, price in sorted(self.prices.items())
        )
        return ", ".join([value, *(f"{name} <= {most:.15g}" for name, most in sorted(self.limits.items()))])


def read_objective(text: str) -> ObjectiveSpec:
    """The objective that `text` says; prices of 0 are none.

    Raises:
        ValueError: it says none; one sentence tells what is wrong and what can be written.
    """
    value, *conditions = re.split(r",|;|\band\b", text)
    head = re.match(rf"\s*{SCORE}\b", value)
    if head is None:
        raise ValueError(f"an objective begins with `{SCORE}`, and {text.strip()!r} does not. {EXAMPLE}")
    prices = _prices(value[head.end() :])
    limits: dict[str, float] = {}
    for condition in conditions:
        found = _LIMIT.fullmatch(condition)
        if found is None:
            raise ValueError(f"{condition.strip()!r} is no limit like prompt_tokens <= 300. {EXAMPLE}")
        name = _quantity(found[1])
        limits[name] = min(_number(found[2]), limits.get(name, math.inf))
    return ObjectiveSpec(prices, limits)


def _prices(text: str) -> dict[str, float]:
    prices: dict[str, float] = {}
    at = 0
    while term := _PRICE.match(text, at):
        sign, factor, after, before, factor_after, alone = term.groups()
        name = _quantity(after or before or alone)
        number = _number(factor or factor_after or "1")
        prices[name] = prices.get(name, 0.0) + (number if sign == "-" else -number)
        at = term.end()
    if text[at:].strip():
        raise ValueError(f"{text[at:].strip()!r} is no price like - 0.1*seconds. {EXAMPLE}")
    return {name: price for name, price in prices.items() if price}


def _quantity(name: str) -> str:
    if name not in QUANTITIES:
        raise ValueError(f"nothing called {name!r} is measured of a program run. {EXAMPLE}")
    return name


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is too large a number.")
    return number
