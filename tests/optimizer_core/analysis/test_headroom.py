"""Whether there is anything to gain, said early."""

import random

import pytest

from mipro_studio.optimizer_core.analysis.headroom import chance_of_gain, spread, verdict, verdict_after


def rows(effects: list[float], seed: int = 0, n: int = 6, graded: bool = False) -> list[dict[str, float]]:
    """Scores of candidates whose chances are `effects`, on shared rows of which some are harder."""
    rng = random.Random(seed)
    hard = [rng.uniform(-0.2, 0.2) for _ in range(n)]

    def score(chance: float) -> float:
        return sum(rng.random() < chance for _ in range(5)) / 5 if graded else float(rng.random() < chance)

    return [{f"e{at}": score(effect + hard[at]) for at in range(n)} for effect in effects]


@pytest.mark.parametrize("graded", [False, True])
def test_candidates_that_differ_are_told_from_equal_ones(graded: bool) -> None:
    apart = [0.2, 0.8] * 5
    yes, no = ([verdict(rows(effects, seed, graded=graded)) for seed in range(20)] for effects in (apart, [0.5] * 10))
    assert all(yes) and all(no)
    mean_yes, mean_no = (sum(one[0] for one in found if one) / 20 for found in (yes, no))
    assert mean_yes > 0.6 > 0.35 > mean_no


def test_the_scale_of_the_metric_changes_nothing() -> None:
    found = rows([0.2, 0.8, 0.5, 0.6, 0.3])
    grown = [{name: 10 * score - 3 for name, score in row.items()} for row in found]
    one, other = (
        spread([{**row} for row in found]),
        spread([{name: (s + 3) / 10 for name, s in r.items()} for r in grown]),
    )
    assert one is not None and other == pytest.approx(one)
    assert spread(grown) == pytest.approx(one)


def test_too_little_says_nothing() -> None:
    assert verdict(rows([0.5, 0.5])) is None
    assert verdict([{"a": 1.0}] * 6) is None
    assert verdict([]) is None


def test_it_is_said_in_one_sentence_with_the_probability() -> None:
    found = verdict(rows([0.1, 0.9] * 6, n=20))
    assert found is not None
    assert found[1].startswith("There is something to gain") and found[1].count(".") == 1
    assert f"{found[0]:.0%}" in found[1]
    assert chance_of_gain(0.0) < 0.2 < 0.8 < chance_of_gain(4.0)


def test_after_a_tenth_of_the_trials_within_bounds() -> None:
    assert [verdict_after(trials) for trials in (5, 30, 60, 100, 10_000)] == [4, 4, 6, 10, 10]
