"""Intervals and comparisons against numbers from elsewhere."""

import math

import numpy as np
import pytest
from scipy import stats

from mipro_studio.optimizer_core.analysis.statistics import LEVEL, estimate, paired_difference

Z = 1.6448536269514722
"""The normal quantile of a two-sided level of 0.9."""


@pytest.mark.parametrize(("right", "n"), [(0, 10), (10, 10), (7, 10), (1, 40)])
def test_scores_of_0_and_1_have_wilsons_interval(right: int, n: int) -> None:
    share = right / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    found = estimate([1.0] * right + [0.0] * (n - right))
    assert LEVEL == 0.9
    assert found["mean"] == share
    assert (found["low"], found["high"]) == (pytest.approx(middle - half), pytest.approx(middle + half))
    assert 0 <= found["low"] < found["high"] <= 1


def test_other_scores_have_students_interval() -> None:
    found = estimate([0.1, 0.4, 0.4, 0.7, 0.9], n_error=2)
    # Mean 0.5, standard deviation 0.308221, t(0.95, 4) = 2.131847.
    assert found["mean"] == pytest.approx(0.5)
    assert found["high"] - found["mean"] == pytest.approx(2.131847 * 0.308221 / math.sqrt(5), rel=1e-4)
    assert (found["n"], found["n_error"]) == (5, 2)


def test_fewer_than_two_scores_have_no_interval() -> None:
    assert estimate([], 3) == {"mean": None, "low": None, "high": None, "level": LEVEL, "n": 0, "n_error": 3}
    one = estimate([0.5])
    assert (one["mean"], one["low"], one["high"]) == (0.5, None, None)


def test_a_comparison_counts_wins_losses_and_ties_for_the_second() -> None:
    found = paired_difference([(0.0, 1.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.5)])
    assert (found["won"], found["lost"], found["tied"], found["n"]) == (2, 1, 1, 4)
    assert found["difference"] == pytest.approx(0.25)
    assert found["low"] < 0.25 < found["high"]


def test_the_p_value_of_few_pairs_is_exact() -> None:
    # Six wins of six: 2 of the 64 ways to flip signs are as far from 0.
    assert paired_difference([(0.0, 1.0)] * 6)["p_value"] == pytest.approx(2 / 64)
    # Three wins, one loss: means of 2 and above or -2 and below in 10 of 16.
    assert paired_difference([(0, 1), (0, 1), (0, 1), (1, 0)])["p_value"] == pytest.approx(10 / 16)


def test_the_p_value_of_many_pairs_is_the_same_every_time_and_symmetric() -> None:
    pairs = [(n % 3 / 3, (n * 7 + 1) % 5 / 5) for n in range(40)]
    first, second = paired_difference(pairs), paired_difference(pairs)
    assert first == second
    assert 0 < first["p_value"] <= 1
    turned = paired_difference([(after, before) for before, after in pairs])
    assert turned["difference"] == pytest.approx(-first["difference"])
    assert (turned["won"], turned["lost"]) == (first["lost"], first["won"])


@pytest.mark.parametrize("n", [2, 5, 12, 13, 40, 300])
@pytest.mark.parametrize("values", [(0.0, 1.0), (0.0, 0.25, 0.5, 1.0), tuple(np.linspace(0, 1, 1000))])
def test_intervals_and_p_values_are_scipys(n: int, values: tuple[float, ...]) -> None:
    rng = np.random.default_rng(n)
    before, after = rng.choice(values, n), rng.choice(values, n) ** 0.5
    before[0], after[0] = 0.0, 1.0
    found, moved = paired_difference(list(zip(before, after, strict=True))), after - before
    theirs = stats.ttest_1samp(moved, 0.0).confidence_interval(LEVEL)
    assert (found["low"], found["high"]) == (
        pytest.approx(max(-1.0, theirs.low)), pytest.approx(min(1.0, theirs.high))
    ), "scipy knows nothing of the metric's range"  # fmt: skip
    test = stats.permutation_test(
        (moved,),
        np.mean,
        permutation_type="samples",
        n_resamples=9_999,
        vectorized=True,
        rng=np.random.default_rng(1),
    )
    # Exact up to 13 pairs; beyond, both draw 9,999 ways, and their p-values differ by as much as draws do.
    spread = 0.0 if n <= 13 else 5 * (2 * test.pvalue * 2 / 9_999) ** 0.5
    assert found["p_value"] == pytest.approx(test.pvalue, abs=spread + 1e-9)
    if values == (0.0, 1.0):
        wilson = stats.binomtest(int(before.sum()), n).proportion_ci(LEVEL, method="wilson")
        ours = estimate(list(before))
        assert (ours["low"], ours["high"]) == (pytest.approx(wilson.low), pytest.approx(wilson.high))


def test_all_tied_is_no_difference_and_no_evidence() -> None:
    found = paired_difference([(0.5, 0.5)] * 8)
    assert (found["difference"], found["low"], found["high"], found["p_value"]) == (0.0, 0.0, 0.0, 1.0)
    assert (found["won"], found["lost"], found["tied"]) == (0, 0, 8)


def test_no_pair_is_no_number() -> None:
    found = paired_difference([])
    assert (found["difference"], found["p_value"], found["n"]) == (None, None, 0)


def test_one_pair_proves_nothing() -> None:
    assert paired_difference([(0.0, 1.0)])["p_value"] == 1.0
