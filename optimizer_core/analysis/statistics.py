"""Intervals and comparisons. Every estimate is a JSON mapping with its `n`, so that no number stands alone.

Without scipy, whose import the first page with an interval on it, and every command, would wait for. Tests hold what
is here against it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mipro_studio.optimizer_core.analysis.student import t_within, z_within

__all__ = ["LEVEL", "estimate", "paired_difference"]

LEVEL = 0.9
RESAMPLES = 9_999
_BATCH = 99


def estimate(scores: Sequence[float], n_error: int = 0) -> dict[str, Any]:
    """Mean of `scores` with a two-sided interval at `LEVEL`.

    Wilson's interval for scores that are all 0 or 1 (it stays inside [0, 1] and does not collapse when all are
    equal), Student's t otherwise, cut at 0 and 1 for scores that are all within them: no mean of such a metric lies
    beyond. Keys: mean, low, high (None below two scores), level, n, n_error.
    """
    values = np.asarray(scores, dtype=float)
    n = len(values)
    mean = float(values.mean()) if n else None
    low = high = None
    if n >= 2:
        if np.isin(values, (0.0, 1.0)).all():
            low, high = _wilson(float(values.mean()), n)
        else:
            half = _student(values)
            low, high = float(values.mean()) - half, float(values.mean()) + half
            if _within_one(values):
                low, high = max(0.0, low), min(1.0, high)
    return {"mean": mean, "low": low, "high": high, "level": LEVEL, "n": n, "n_error": n_error}


def paired_difference(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Second minus first over examples that both were scored on.

    The interval is Student's t on the differences, cut at -1 and 1 where all scores are within 0 and 1; the p-value
    is two-sided, from flipping the signs of the differences (exact for few pairs, 9,999 fixed random flips
    otherwise). Keys: difference, low, high, level,
    n, won, lost, tied, p_value; `difference`, `low`, `high` and `p_value` are None where there is no pair.
    """
    differences = np.asarray([after - before for before, after in pairs], dtype=float)
    n = len(differences)
    counts = {
        "n": n,
        "won": int((differences > 0).sum()),
        "lost": int((differences < 0).sum()),
        "tied": int((differences == 0).sum()),
        "level": LEVEL,
    }
    if n == 0:
        return {"difference": None, "low": None, "high": None, "p_value": None, **counts}
    mean = float(differences.mean())
    if n == 1 or not differences.any():
        return {"difference": mean, "low": mean, "high": mean, "p_value": 1.0, **counts}
    half = _student(differences)
    low, high = mean - half, mean + half
    if _within_one(np.asarray(pairs, dtype=float)):
        low, high = max(-1.0, low), min(1.0, high)
    return {"difference": mean, "low": low, "high": high, "p_value": _flipped(differences), **counts}


def _within_one(values: NDArray[np.float64]) -> bool:
    """The metric gives shares, as far as these scores tell."""
    return bool(((values >= 0.0) & (values <= 1.0)).all())


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Wilson's score interval (1927) of a share of `n`."""
    z = z_within(LEVEL)
    middle, scale = share + z * z / (2 * n), 1 + z * z / n
    half = z * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def _student(values: NDArray[np.float64]) -> float:
    """Half the width of Student's interval of the mean."""
    n = len(values)
    return float(t_within(n - 1, LEVEL) * values.std(ddof=1) / np.sqrt(n))


def _flipped(differences: NDArray[np.float64]) -> float:
    """Two-sided p-value of the mean when signs are flipped: of all ways if they are few, of random ones otherwise."""
    moved = differences[differences != 0]  # a tie is the same whichever way it is turned
    exact = 2 ** len(moved) <= RESAMPLES
    if exact:
        flips = (np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved))) & 1
        sums = moved.sum() - 2 * flips @ moved
    else:
        rng = np.random.default_rng(0)
        parts = (rng.integers(0, 2, (_BATCH, len(moved)), dtype=np.int8) @ moved for _ in range(RESAMPLES // _BATCH))
        sums = moved.sum() - 2 * np.concatenate(list(parts))
    slack = 1e-12 * np.abs(moved).sum()  # sums of the same numbers in another order
    one_sided = min((sums <= moved.sum() + slack).sum(), (sums >= moved.sum() - slack).sum())
    share = one_sided / len(sums) if exact else (one_sided + 1) / (len(sums) + 1)
    return float(min(1.0, 2 * share))
