"""Student's distribution for whole degrees of freedom, in closed form.

scipy has it too, but its special functions take a fifth of a second to import, which every page and command with an
interval on it would wait for. Tests hold this against scipy.
"""

import math
from functools import lru_cache
from statistics import NormalDist

__all__ = ["t_within", "z_within"]

_STEPS = 100
_CLOSE = 1e-13


def z_within(level: float) -> float:
    """x such that a standard normal number lies between -x and x with probability `level`."""
    return NormalDist().inv_cdf((1 + level) / 2)


@lru_cache(maxsize=4096)
def t_within(freedom: int, level: float) -> float:
    """x such that |T| <= x with probability `level`, for T of Student's distribution.

    Args:
        freedom: Degrees of freedom, from 1 on.
        level: Between 0 and 1, neither of them.
    """
    x = z_within(level)
    for _ in range(_STEPS):  # from below: the probability is concave, so Newton's steps never pass the root
        step = (level - _probability(x, freedom)) / (2 * _density(x, freedom))
        x += step
        if step < _CLOSE * x:
            break
    return x


def _probability(x: float, freedom: int) -> float:
    """P(|T| <= x); Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = math.atan(x / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term = total = (cosine if freedom > 1 else 0.0) if odd else 1.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine * cosine * (k - 1) / k
        total += term
    return (angle + sine * total) * 2 / math.pi if odd else sine * total


def _density(x: float, freedom: int) -> float:
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom * math.pi)
    return math.exp(scale - (freedom + 1) / 2 * math.log1p(x * x / freedom))
