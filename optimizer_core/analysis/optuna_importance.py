"""Optuna's fANOVA and PED-ANOVA on a run's trials, by name, to set beside `optimizer_core.analysis.importance`.

Both see trials as if each mean were exact: not how many cells stand behind it, and not how easy they were. So neither
has a noise band, and both share out 1 among the parameters whatever is there: with no effect at all and 20 trials of
35 cells, fANOVA's top bar is 0.43 on average. PED-ANOVA asks what sets the best tenth of the trials apart from all
trials; a sampler that has found a good arm has it nearly everywhere, and then it sets nothing apart.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.importance import BaseImportanceEvaluator, FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["EVALUATORS", "MIN_TRIALS", "optuna_importance"]

EVALUATORS = ("fanova", "ped_anova")
MIN_TRIALS = 30
"""Below, these give confident nonsense: three trials are enough for one parameter to be called everything."""

optuna.logging.set_verbosity(optuna.logging.WARNING)


def optuna_importance(
    params: Sequence[Mapping[str, str]], scores: Sequence[float], evaluator: str, seed: int
) -> list[dict[str, Any]]:
    """[{parameter, share}], the largest first; the shares add up to 1. Higher scores are better.

    Args:
        params: The arm of every parameter, one mapping a trial; all have the same parameters.
        scores: The trials' means.
        evaluator: One of `EVALUATORS`.
        seed: fANOVA's trees are random.

    Raises:
        BadInput: there is nothing that it could say of these trials.
    """
    if len(scores) < MIN_TRIALS:
        raise BadInput(f"It needs {MIN_TRIALS} trials; there are {len(scores)}.")
    if min(scores) == max(scores):
        raise BadInput("All trials have the same score: there is nothing to share out.")
    choices = {name: sorted({one[name] for one in params}) for name in params[0]}
    searched = {name: arms for name, arms in choices.items() if len(arms) > 1}
    if not searched or all(len(arms) == len(scores) for arms in searched.values()):
        raise BadInput("No two trials share an arm that others do not have: there is nothing to compare.")
    study = optuna.create_study(direction="maximize")
    distributions = {name: CategoricalDistribution(arms) for name, arms in searched.items()}
    for chosen, score in zip(params, scores, strict=True):
        own = {name: chosen[name] for name in searched}
        study.add_trial(optuna.trial.create_trial(value=score, params=own, distributions=dict(distributions)))
    shares = optuna.importance.get_param_importances(study, evaluator=_evaluator(evaluator, seed))
    return [{"parameter": name, "share": float(share)} for name, share in shares.items()]


def _evaluator(name: str, seed: int) -> BaseImportanceEvaluator:
    match name:
        case "fanova":
            return FanovaImportanceEvaluator(seed=seed)
        case "ped_anova":
            return PedAnovaImportanceEvaluator()
        case _:
            raise BadInput(f"There is no importance {name!r}.", f"There are: {', '.join(EVALUATORS)}.")
