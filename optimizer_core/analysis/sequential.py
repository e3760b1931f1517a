"""A sequential test of a paired difference: stop as soon as it is clear; the error rates hold whenever one looks.

Two bets run side by side on the differences x_1, x_2, ... of rows drawn in random order, each in [-r, r]:

    K_pass = prod(1 + l_t (x_t - low))      against "the mean is at most low"
    K_fail = prod(1 + l_t (high - x_t))     against "the mean is at least high"

A stake l_t >= 0 that is fixed before x_t is seen makes each product a nonnegative supermartingale under what it bets
against, so the chance that it ever reaches 1/alpha is at most alpha (Ville 1939): whatever the differences are
distributed like, however often one looks, and wherever one stops. This is the capital process of Waudby-Smith and
Ramdas, "Estimating means of bounded random variables by betting", JRSS B 86 (2024), 1-27. The stake is Kelly's for a
mean at the other bound, (high - low) / E[(x - bound)^2], with the second moment of the rows seen so far, so a wrong
guess costs rows and never the promise.

Shapes: a difference is one float. Units: the metric's. Direction: candidate minus baseline, higher is better.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["Decision", "SequentialTest", "Verdict", "fixed_size"]

PRIOR_ROWS = 4.0
"""What the first guess at the second moment weighs, in rows."""
PRIOR_SHARE = 0.25
"""That guess, as a share of r^2: one row in four differs in full."""
BOLDEST = 0.9
"""Largest stake, as a share of the one that could lose everything on one row."""


class Decision(StrEnum):
    PASS = "pass"
    FAIL = "fail"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Verdict:
    """How a test ended: after `rows` of the differences; the capitals say how clear it is (1/alpha decides)."""

    decision: Decision
    rows: int
    for_pass: float
    for_fail: float


class SequentialTest:
    """Decides between "the mean difference is at most `low`" and "it is at least `high`".

    Passing wrongly, when the mean is at most `low`, and failing wrongly, when it is at least `high`, have a chance of
    at most `alpha` each. In between both answers are right.

    Args:
        low, high: Bounds, low < high, in units of the metric.
        alpha: Chance of each error, in (0, 1).
        spread: r, the largest absolute difference that there can be.

    Raises:
        BadInput: the bounds are no interval within [-r, r], or alpha is none.
    """

    def __init__(self, low: float, high: float, alpha: float, spread: float) -> None:
        if not (-spread < low < high < spread and 0 < alpha < 1):
            raise BadInput(
                f"Bounds {low:g} and {high:g} with a confidence of {1 - alpha:g} cannot be decided about.",
                f"The margin must be above 0 and below {spread:g}, the confidence between 0 and 1.",
            )
        self._threshold = -math.log(alpha)
        self._pass = _Bet(low, high - low, 1.0, spread)
        self._fail = _Bet(high, high - low, -1.0, spread)
        self._spread = spread
        self._rows = 0
        self._decision = Decision.UNDECIDED

    def see(self, difference: float) -> Decision:
        """Take one row into account; the decision stands once it is made.

        Raises:
            BadInput: the difference is larger than `spread`.
        """
        if not abs(difference) <= self._spread * (1 + 1e-9):
            raise BadInput(
                f"A difference of {difference:g} is beyond the metric's range.",
                "Name its range with --range LOW,HIGH.",
            )
        if self._decision is Decision.UNDECIDED:
            self._rows += 1
            self._pass.see(difference)
            self._fail.see(difference)
            if max(self._pass.log_capital, self._fail.log_capital) >= self._threshold:
                passes = self._pass.log_capital >= self._fail.log_capital
                self._decision = Decision.PASS if passes else Decision.FAIL
        return self._decision

    @property
    def verdict(self) -> Verdict:
        capitals = (math.exp(min(bet.log_capital, 700.0)) for bet in (self._pass, self._fail))
        return Verdict(self._decision, self._rows, *capitals)


class _Bet:
    """A bet that the mean lies on one side of `bound`: above it (`sign` 1) or below it (-1)."""

    def __init__(self, bound: float, gap: float, sign: float, spread: float) -> None:
        self._bound, self._gap, self._sign = bound, gap, sign
        self._most = BOLDEST / (spread + sign * bound)  # a row can lose at most this much of the bound
        self._weight, self._sum = PRIOR_ROWS, PRIOR_ROWS * PRIOR_SHARE * spread**2
        self.log_capital = 0.0

    def see(self, difference: float) -> None:
        gain = self._sign * (difference - self._bound)
        stake = min(self._gap / max(self._sum / self._weight, 1e-12), self._most)
        self.log_capital += math.log1p(stake * gain)
        self._weight += 1.0
        self._sum += gain**2


def run(test: SequentialTest, differences: Iterable[float]) -> Verdict:
    """The verdict on differences in the order in which they come; reads no further than it has to."""
    for difference in differences:
        if test.see(difference) is not Decision.UNDECIDED:
            break
    return test.verdict


def fixed_size(variance: float, gap: float, alpha: float) -> int:
    """Rows that a test of fixed size needs for the same two error rates (normal approximation).

    Args:
        variance: Of one row's difference.
        gap: Between the two bounds.
    """
    from scipy.special import ndtri

    return math.ceil((2 * float(ndtri(1 - alpha))) ** 2 * variance / gap**2)
