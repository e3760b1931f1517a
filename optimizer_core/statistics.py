"""Intervals and comparisons. Every estimate is a JSON mapping with its `n`, so that no number stands alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import stats

__all__ = ["LEVEL", "estimate", "paired_difference"]

LEVEL = 0.9
RESAMPLES = 9_999


def estimate(scores: Sequence[float], n_error: int = 0) -> dict[str, Any]:
    """Mean of `scores` with a two-sided interval at `LEVEL`.

    Wilson's interval for scores that are all 0 or 1 (it stays inside [0, 1] and does not collapse when all are
    equal), Student's t otherwise. Keys: mean, low, high (None below two scores), level, n, n_error.
    """
    values = np.asarray(scores, dtype=float)
    n = len(values)
    mean = float(values.mean()) if n else None
    low = high = None
    if n >= 2:
        if np.isin(values, (0.0, 1.0)).all():
            interval = stats.binomtest(int(values.sum()), n).proportion_ci(LEVEL, method="wilson")
            low, high = float(interval.low), float(interval.high)
        else:
            half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * values.std(ddof=1) / np.sqrt(n))
            low, high = float(values.mean()) - half, float(values.mean()) + half
    return {"mean": mean, "low": low, "high": high, "level": LEVEL, "n": n, "n_error": n_error}


def paired_difference(pairs: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Second minus first over examples that both were scored on.

    The interval is Student's t on the differences; the p-value is two-sided, from flipping the signs of the
    differences (exact for few pairs, 9,999 fixed random flips otherwise). Keys: difference, low, high, level,
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
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * differences.std(ddof=1) / np.sqrt(n))
    test = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return {"difference": mean, "low": mean - half, "high": mean + half, "p_value": float(test.pvalue), **counts}
