"""The sequential test: what it promises, checked exactly on short sequences and by simulation on long ones."""

import itertools
import math

import numpy as np
import pytest

from mipro_studio.optimizer_core.analysis.sequential import Decision, SequentialTest, fixed_size, run
from mipro_studio.optimizer_core.errors import BadInput

VALUES = (-1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("mean", "which"), [(-0.05, "for_pass"), (-0.2, "for_pass"), (0.0, "for_fail"), (0.3, "for_fail")]
)
@pytest.mark.parametrize("differing", [0.4, 0.9])
def test_a_bet_against_the_truth_gains_nothing_on_average(mean: float, which: str, differing: float) -> None:
    """The expected capital over all sequences of six rows, weighed by their chance: at most 1, whatever is staked."""
    chances = dict(zip(VALUES, ((differing - mean) / 2, 1 - differing, (differing + mean) / 2), strict=True))
    expected = 0.0
    for path in itertools.product(VALUES, repeat=6):
        test = SequentialTest(-0.05, 0.0, 1e-9, 1.0)  # a threshold that is never reached, so that no bet is cut short
        expected += math.prod(chances[x] for x in path) * getattr(run(test, path), which)
    assert expected <= 1 + 1e-12


@pytest.mark.parametrize(
    ("mean", "wrong"), [(0.0, Decision.FAIL), (-0.05, Decision.PASS), (0.05, Decision.FAIL), (-0.15, Decision.PASS)]
)
def test_wrong_decisions_are_as_rare_as_promised(mean: float, wrong: Decision) -> None:
    rng = np.random.default_rng(7)
    chances = [(0.2 - mean) / 2, 0.8, (0.2 + mean) / 2]
    seen = rng.choice(VALUES, size=(600, 1500), p=chances)
    verdicts = [run(SequentialTest(-0.05, 0.0, 0.1, 1.0), row.tolist()) for row in seen]
    # Three standard errors above 10 % of 600.
    assert sum(verdict.decision is wrong for verdict in verdicts) <= 60 + 3 * math.sqrt(600 * 0.09)
    assert sum(verdict.decision is Decision.UNDECIDED for verdict in verdicts) < 30
    assert np.mean([verdict.rows for verdict in verdicts]) < 0.8 * fixed_size(0.2, 0.05, 0.1)


def test_skewed_differences_keep_the_promise_too() -> None:
    """Rare large losses: where a normal approximation is at its worst."""
    rng = np.random.default_rng(3)
    seen = rng.choice([-1.0, 0.05], size=(600, 1500), p=[0.1 / 1.05, 1 - 0.1 / 1.05])  # a mean of -0.05
    passed = sum(run(SequentialTest(-0.05, 0.0, 0.1, 1.0), row.tolist()).decision is Decision.PASS for row in seen)
    assert passed <= 60 + 3 * math.sqrt(600 * 0.09)


def test_it_stops_at_once_when_it_is_clear_and_reads_no_further() -> None:
    came: list[int] = []

    def rows(difference: float) -> "itertools.count[int]":
        for number in itertools.count():
            came.append(number)
            yield difference  # type: ignore[misc]

    same = run(SequentialTest(-0.05, 0.0, 0.1, 1.0), rows(0.0))  # type: ignore[arg-type]
    assert (same.decision, same.rows) == (Decision.PASS, len(came))
    assert same.rows < 80
    worse = run(SequentialTest(-0.05, 0.0, 0.1, 1.0), rows(-0.5))  # type: ignore[arg-type]
    assert worse.decision is Decision.FAIL
    assert worse.rows < 30


def test_the_units_of_the_metric_do_not_matter() -> None:
    rng = np.random.default_rng(0)
    seen = rng.choice(VALUES, size=800, p=[0.12, 0.8, 0.08])
    small = run(SequentialTest(-0.05, 0.0, 0.1, 1.0), seen.tolist())
    large = run(SequentialTest(-5.0, 0.0, 0.1, 100.0), (100 * seen).tolist())
    assert (small.decision, small.rows) == (large.decision, large.rows)


@pytest.mark.parametrize(
    "bounds", [(0.0, 0.0, 0.1), (0.05, 0.0, 0.1), (-1.0, 0.0, 0.1), (-0.05, 0.0, 0.0), (-0.05, 0.0, 1.0)]
)
def test_what_cannot_be_decided_is_refused(bounds: tuple[float, float, float]) -> None:
    with pytest.raises(BadInput, match="margin"):
        SequentialTest(*bounds, 1.0)


@pytest.mark.parametrize("difference", [1.5, -1.01, math.nan])
def test_a_difference_outside_the_range_is_refused(difference: float) -> None:
    with pytest.raises(BadInput, match="--range"):
        SequentialTest(-0.05, 0.0, 0.1, 1.0).see(difference)
