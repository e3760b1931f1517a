"""Optuna's importance by name: it names an effect that is there, and says why where it has nothing to say."""

import random

import pytest

from mipro_studio.optimizer_core.analysis.optuna_importance import EVALUATORS, MIN_TRIALS, optuna_importance
from mipro_studio.optimizer_core.errors import BadInput

NAMES = ("a: instruction", "a: demos", "b: instruction", "b: demos")


def trials(n: int = 60, effect: float = 0.5) -> tuple[list[dict[str, str]], list[float]]:
    """Random arms; arm 2 of b's demos adds `effect`."""
    rng = random.Random(0)
    params = [{name: f"{rng.randrange(4)}" for name in NAMES} for _ in range(n)]
    return params, [0.3 + effect * (one["b: demos"] == "2") + rng.gauss(0, 0.02) for one in params]


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_it_names_the_parameter_and_shares_out_one(evaluator: str) -> None:
    rows = optuna_importance(*trials(), evaluator, 0)
    assert rows[0]["parameter"] == "b: demos"
    assert {row["parameter"] for row in rows} == set(NAMES)
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert [row["share"] for row in rows] == sorted((row["share"] for row in rows), reverse=True)
    assert optuna_importance(*trials(), evaluator, 0) == rows


def test_higher_scores_are_better_for_ped_anova() -> None:
    # The best tenth has arm 2, the worst tenth any other: only one of the two directions names this parameter.
    params, scores = trials()
    for one, score in zip(params, scores, strict=True):
        one["a: demos"] = "9" if score < 0.28 else one["a: demos"]
    assert optuna_importance(params, scores, "ped_anova", 0)[0]["parameter"] == "b: demos"
    upside_down = optuna_importance(params, [-score for score in scores], "ped_anova", 0)
    assert upside_down[0]["parameter"] == "a: demos"


@pytest.mark.parametrize("evaluator", EVALUATORS)
def test_it_says_why_it_has_nothing_to_say(evaluator: str) -> None:
    params, scores = trials()
    with pytest.raises(BadInput, match=f"needs {MIN_TRIALS} trials; there are {MIN_TRIALS - 1}"):
        optuna_importance(params[: MIN_TRIALS - 1], scores[: MIN_TRIALS - 1], evaluator, 0)
    with pytest.raises(BadInput, match="needs"):
        optuna_importance([], [], evaluator, 0)
    with pytest.raises(BadInput, match="same score"):
        optuna_importance(params, [0.5] * len(scores), evaluator, 0)
    own = [dict.fromkeys(NAMES, f"{index}") for index in range(len(scores))]
    with pytest.raises(BadInput, match="No two trials share an arm"):
        optuna_importance(own, scores, evaluator, 0)
    with pytest.raises(BadInput, match="No two trials share an arm"):
        optuna_importance([params[0]] * len(scores), scores, evaluator, 0)


def test_a_parameter_with_one_arm_is_left_out() -> None:
    params, scores = trials()
    frozen = [{**one, "a: demos": "0"} for one in params]
    assert {row["parameter"] for row in optuna_importance(frozen, scores, "fanova", 0)} == {*NAMES} - {"a: demos"}


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(BadInput, match="no importance 'shap'"):
        optuna_importance(*trials(), "shap", 0)
