"""What a surrogate believes about each arm: intervals that hold the truth, nothing about what nobody tried."""

import json

import numpy as np
import pytest

from mipro_studio.optimizer_core.analysis.estimates import beliefs
from mipro_studio.optimizer_core.search.surrogates import Observation
from tests.arms import of_pairs, space_of

SPACE = space_of(["answer"], {"answer": [0, 1, 2]}, {"answer": [0, 1]})
TRUTH = {0: 0.3, 1: 0.55, 2: 0.8}


def told(n_cells: int = 60, seed: int = 0) -> list[Observation]:
    """Candidates over instructions 0 and 1 (arm 2 was never tried), whose score depends on the instruction alone."""
    rng = np.random.default_rng(seed)
    found = []
    for instruction in (0, 1):
        for demos in (0, 1):
            scores = {f"e{i}": float(rng.random() < TRUTH[instruction]) for i in range(n_cells)}
            mean = sum(scores.values()) / n_cells
            found.append(Observation(of_pairs([(instruction, demos)]), mean, n_cells, scores))
    return found


@pytest.mark.parametrize("surrogate", ["tpe", "item_response"])
def test_the_better_arm_is_believed_better_and_the_untried_one_is_not_guessed(surrogate: str) -> None:
    said = beliefs(SPACE, told(), surrogate, 0)
    arms = {(row["kind"], row["arm"]): row for row in said["arms"]}
    low, high = arms["instruction", 0], arms["instruction", 1]
    assert low["mean"] < high["mean"]
    assert low["low"] <= low["mean"] <= low["high"]
    assert arms["instruction", 2]["mean"] is None and arms["instruction", 2]["n_cells"] == 0
    assert (low["n_candidates"], low["n_cells"], said["n_candidates"], said["n_cells"]) == (2, 120, 4, 240)
    json.dumps(said)


def test_intervals_of_the_item_response_model_hold_the_truth_about_as_often_as_they_say() -> None:
    held = 0
    for seed in range(30):
        rows = beliefs(SPACE, told(seed=seed), "item_response", seed)["arms"]
        row = next(row for row in rows if row["kind"] == "instruction" and row["arm"] == 1)
        held += row["low"] <= TRUTH[1] <= row["high"]
    assert held >= 23


def test_more_cells_narrow_the_interval() -> None:
    width = {}
    for n_cells in (15, 400):
        row = beliefs(SPACE, told(n_cells), "item_response", 0)["arms"][0]
        width[n_cells] = row["high"] - row["low"]
    assert width[400] < width[15]


def test_one_candidate_has_a_mean_and_no_interval_under_tpe() -> None:
    rows = {(row["kind"], row["arm"]): row for row in beliefs(SPACE, told()[:1], "tpe", 0)["arms"]}
    assert rows["instruction", 0]["mean"] is not None
    assert rows["instruction", 0]["low"] is None


def test_the_same_arguments_give_the_same_beliefs() -> None:
    assert beliefs(SPACE, told(), "item_response", 7) == beliefs(SPACE, told(), "item_response", 7)
