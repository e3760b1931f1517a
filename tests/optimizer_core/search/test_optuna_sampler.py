"""The item-response model drives an ordinary Optuna study."""

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution

from mipro_studio.optimizer_core.search.surrogates.optuna_sampler import SCORES, ItemResponseSampler

DISTRIBUTIONS = {
    f"{predictor}: {kind}": CategoricalDistribution([f"{kind} {arm}" for arm in range(4)])
    for predictor in ("a", "b")
    for kind in ("instruction", "demos")
}


def study_of(n: int, seed: int = 0) -> optuna.Study:
    """`n` trials of a study in which one instruction of b is right on nearly everything."""
    study = optuna.create_study(direction="maximize", sampler=ItemResponseSampler(seed))
    for _ in range(n):
        trial = study.ask(DISTRIBUTIONS)
        good = trial.params["b: instruction"] == "instruction 2"
        scores = {f"e{example}": float(example % 10 < (9 if good else 3)) for example in range(10)}
        trial.set_user_attr(SCORES, scores)
        study.tell(trial, sum(scores.values()) / len(scores))
    return study


def test_it_comes_back_to_the_arm_that_scores_well() -> None:
    late = [trial.params["b: instruction"] for trial in study_of(30).trials[15:]]
    assert late.count("instruction 2") >= 9


def test_the_same_seed_gives_the_same_study() -> None:
    first, second, other = ([trial.params for trial in study_of(8, seed).trials] for seed in (3, 3, 4))
    assert first == second != other


def test_trials_without_cells_and_other_parameters_are_no_hindrance() -> None:
    study = optuna.create_study(direction="maximize", sampler=ItemResponseSampler())
    for _ in range(4):
        trial = study.ask({**DISTRIBUTIONS, "temperature": FloatDistribution(0, 1)})
        study.tell(trial, 0.5)
    assert all(0 <= trial.params["temperature"] <= 1 for trial in study.trials)


def test_it_says_that_it_maximizes() -> None:
    study = optuna.create_study(direction="minimize", sampler=ItemResponseSampler())
    with pytest.raises(ValueError, match="maximize"):
        study.ask(DISTRIBUTIONS)
