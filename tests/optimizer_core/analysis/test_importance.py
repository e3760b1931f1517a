"""Importance finds an effect that is there, and none where there is only noise."""

import random
from typing import Any

import numpy as np
import pytest

from mipro_studio.optimizer_core.analysis.importance import MIN_CANDIDATES, importance
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.parameters.arm_features import Feature
from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.types import DEMOS, Candidate, Split
from tests.arms import space_of
from tests.optimizer_core.builders import failed, scored

PREDICTORS = ("a", "b")
SPACE = space_of(PREDICTORS, {name: range(4) for name in PREDICTORS}, {name: range(4) for name in PREDICTORS})


def filled(effect: float, seed: int, n_candidates: int = 30, n_cells: int = 24) -> ScoreTable:
    """Candidates on random minibatches; arm 2 of b's demos adds `effect`, examples differ in difficulty."""
    rng = random.Random(seed)
    difficulty = [rng.uniform(0.2, 0.6) for _ in range(60)]
    table = ScoreTable()
    for _ in range(n_candidates):
        candidate = SPACE.random(rng)
        for example in rng.sample(range(60), n_cells):
            chance = difficulty[example] + effect * (candidate.arm(1, DEMOS) == 2)
            table.put(scored(candidate.id, f"e{example}", float(rng.random() < chance)))
    return table


def found(table: ScoreTable, space: SearchSpace, seed: int) -> list[dict[str, Any]]:
    return importance(table.scores(Split.VAL), space, seed)


def test_a_planted_effect_is_found_first_and_real_with_its_arm() -> None:
    rows = found(filled(0.35, seed=1), SPACE, 0)
    assert rows[0]["parameter"] == "b: demos"
    assert (rows[0]["predictor"], rows[0]["kind"], rows[0]["real"]) == ("b", "demos", True)
    best = max(rows[0]["arms"], key=lambda arm: arm["effect"])
    assert best["arm"] == 2
    assert [row["real"] for row in rows] == sorted((row["real"] for row in rows), reverse=True)
    assert all(row["spread"] > row["null"] for row in rows if row["real"])
    assert rows[0]["low"] < rows[0]["spread"] < rows[0]["high"]
    assert rows[0]["null"] < rows[0]["spread"]
    assert {row["kind"] for row in rows} == {"instruction", "demos", "instruction x demos"}


def test_noise_alone_is_called_real_hardly_ever() -> None:
    false = sum(any(row["real"] for row in found(filled(0.0, seed), SPACE, seed)) for seed in range(12))
    assert false <= 2  # 5 % are expected; 3 or more of 12 come in 1 of 50 such tests


def test_too_few_candidates_say_nothing() -> None:
    assert found(filled(0.5, 0, n_candidates=MIN_CANDIDATES - 1), SPACE, 0) == []
    nothing = space_of(PREDICTORS, {name: [0] for name in PREDICTORS}, {name: [0] for name in PREDICTORS})
    assert found(filled(0.5, 0), nothing, 0) == []


def test_the_same_table_gives_the_same_numbers() -> None:
    assert found(filled(0.2, 3), SPACE, 0) == found(filled(0.2, 3), SPACE, 0)


def test_errors_do_not_count() -> None:
    table = filled(0.35, seed=2)
    before = found(table, SPACE, 0)
    for candidate in [Candidate.parse(name) for name in table.candidates(next(iter(table.cells())).key.split)]:
        table.put(failed(candidate.id, "an example that never worked"))
    after = found(table, SPACE, 0)
    assert [row["parameter"] for row in after] == [row["parameter"] for row in before]
    assert [row["spread"] for row in after] == pytest.approx([row["spread"] for row in before])
    assert after[0]["n_cells"] == before[0]["n_cells"]


def test_what_is_in_the_arms_has_a_bar_of_its_own() -> None:
    """Sets of b with the answer that helps are four of eight; which set it is says less than what is in it."""
    space = space_of(PREDICTORS, {name: range(2) for name in PREDICTORS}, {name: range(8) for name in PREDICTORS})
    helps = np.array([[0.5 if arm % 2 else -0.5] for arm in range(8)])
    nothing = np.array([[0.5 if arm in (0, 3, 4, 7) else -0.5] for arm in range(8)])
    arms = tuple(range(8))
    space.features = {(1, DEMOS): [Feature("answers", arms, helps), Feature("last", arms, nothing)]}
    rng = random.Random(4)
    table = ScoreTable()
    for _ in range(30):
        candidate = space.random(rng)
        for example in rng.sample(range(60), 20):
            chance = 0.35 + 0.3 * (candidate.arm(1, DEMOS) % 2)
            table.put(scored(candidate.id, f"e{example}", float(rng.random() < chance)))
    rows = {row["parameter"]: row for row in found(table, space, 0)}
    answers, last = rows["b: answers in demos"], rows["b: last answer in demos"]
    assert answers["real"] and not last["real"]
    assert answers["spread"] == pytest.approx(0.15, abs=0.05)
    assert answers["arms"] == [] and {row["n_cells"] for row in rows.values()} == {len(list(table.cells()))}


def test_features_of_noise_are_called_real_hardly_ever() -> None:
    false = 0
    for seed in range(12):
        space = space_of(PREDICTORS, {name: range(4) for name in PREDICTORS}, {name: range(4) for name in PREDICTORS})
        basis = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]) - 0.5
        told = [Feature(name, (0, 1, 2, 3), basis[:, :n]) for name, n in (("answers", 2), ("last", 1))]
        space.features = {(place, DEMOS): told for place in range(2)}
        false += any(row["real"] for row in found(filled(0.0, seed), space, seed))
    assert false <= 2
