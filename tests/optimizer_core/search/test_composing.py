"""Demo sets composed of what was learned."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.search.composing import Workshop, compose
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.types import DEMOS, Arm, Candidate, Demo

ANSWERS = ("a", "b", "c", "d")
ROWS = [Demo({"question": f"q{n}", "answer": ANSWERS[n % 4]}, False, f"r{n}") for n in range(16)]


def answers(demos: Sequence[Demo]) -> set[str]:
    return {demo.fields["answer"] for demo in demos}


def table(n_sets: int = 14, seed: int = 0) -> tuple[list[Arm], list[Observation]]:
    """Sets of three demos; every answer that is in one adds as much, so four different ones are best and none has
    them."""
    rng = random.Random(seed)
    sets, observed = [], []
    for index in range(n_sets):
        demos = tuple(rng.sample(ROWS, 3)) if index else ()
        chance = 1 / (1 + np.exp(2.5 - 1.2 * len(answers(demos))))
        scores = {f"e{n}": float(rng.random() < chance) for n in range(40)}
        sets.append(demos_arm("p", index, "shuffled", demos))
        mean = sum(scores.values()) / 40
        observed.append(Observation(Candidate.of(1, {(0, DEMOS): index}), mean, 40, scores))
    return sets, observed


def shop(sets: Sequence[Arm], pool: Sequence[Demo] = ROWS, size: int = 4) -> Workshop:
    return Workshop(0, "p", ["answer"], sets, pool, size, {})


def test_a_set_is_composed_that_has_what_the_best_ones_have() -> None:
    hits = 0
    for seed in range(20):
        found = compose(shop(table(seed=seed)[0]), table(seed=seed)[1], seed)
        assert found is not None and len(found.demos) <= 4
        hits += answers(found.demos) == set(ANSWERS)
    assert hits >= 10  # of four demos drawn at random one set in seven has all four answers


def test_it_is_new_has_no_row_twice_and_is_the_same_for_the_same_seed() -> None:
    sets, observed = table()
    first, again, other = (compose(shop(sets), observed, seed) for seed in (1, 1, 2))
    assert first is not None and first == again and first != other
    assert len({demo.example_id for demo in first.demos}) == len(first.demos)
    assert first.demos not in [one.demos for one in sets]
    assert set(first.parents) <= {one.index for one in sets}
    assert 0 <= first.chance <= 1


def test_rejected_sets_are_not_composed_again() -> None:
    pool = ROWS[:1]
    sets = [demos_arm("p", 0, "zero_shot", ()), replace(demos_arm("p", 1, "composed", pool), active=False)]
    observed = table(4)[1]
    assert compose(shop(sets, pool), observed, 0) is None


def test_nothing_is_composed_of_nothing() -> None:
    sets, observed = table()
    assert compose(shop(sets, pool=[]), observed, 0) is None
    assert compose(shop(sets), observed[:1], 0) is None
