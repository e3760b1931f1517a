"""Multivariate TPE of Optuna (MIPRO section 4.3 and appendix F.5), told means that know how few cells they have.

Notation: trial t has the mean m[t] of n[t] cells. Between candidates the true means differ with variance v, and one
cell scatters around its candidate's mean with variance s. What TPE is told is the empirical-Bayes mean
    m + w[t] (m[t] - m),   w[t] = v / (v + s / n[t]),   m = the mean of all m[t] weighted by n[t],
so that a lucky dozen of cells does not outrank a solid hundred.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from mipro_studio.optimizer_core.space import SearchSpace
from mipro_studio.optimizer_core.surrogates.base import Observation, by_candidate, random_fresh
from mipro_studio.optimizer_core.types import Candidate

__all__ = ["TpeSurrogate", "shrunk_means"]

optuna.logging.set_verbosity(optuna.logging.WARNING)
RETRIES = 8


class _Choices(CategoricalDistribution):  # type: ignore[misc]
    """Optuna copies every trial's distributions and compares them choice by choice; ours are shared and stay."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Choices":
        return self

    def __eq__(self, other: object) -> bool:
        return self is other or bool(super().__eq__(other))

    __hash__ = CategoricalDistribution.__hash__


class TpeSurrogate:
    """TPE asked with the trials under way as lies.

    Args:
        n_startup_trials: Random suggestions before the model is used; Optuna's own default is 10.
        shrink: Tell means shrunk by the number of cells behind them; False tells them as they are.
    """

    def __init__(self, n_startup_trials: int = 10, shrink: bool = True) -> None:
        self._n_startup_trials = n_startup_trials
        self._shrink = shrink

    def suggest(
        self,
        space: SearchSpace,
        observed: Sequence[Observation],
        pending: Sequence[Candidate],
        exhausted: frozenset[str],
        seed: int,
        progress: float = 0.0,
    ) -> Candidate | None:
        distributions = {
            parameter.name: _Choices([str(arm) for arm in parameter.arms]) for parameter in space.parameters
        }
        means = shrunk_means(observed) if self._shrink else [seen.mean for seen in observed]
        history = [
            _trial(space, distributions, seen.candidate, mean) for seen, mean in zip(observed, means, strict=True)
        ]
        history += [_trial(space, distributions, candidate, None) for candidate in pending]
        for attempt in range(RETRIES):
            sampler = optuna.samplers.TPESampler(
                seed=seed + attempt,
                multivariate=True,
                constant_liar=True,
                n_startup_trials=self._n_startup_trials,
            )
            study = optuna.create_study(direction="maximize", sampler=sampler)
            study.add_trials([trial for trial in history if trial is not None])
            asked = study.ask(distributions)
            candidate = space.candidate({name: int(value) for name, value in asked.params.items()})
            if candidate.id not in exhausted:
                return candidate
        return random_fresh(space, exhausted, seed)


def shrunk_means(observed: Sequence[Observation]) -> list[float]:
    """The empirical-Bayes mean of every observation, in order. Variances by the method of moments."""
    unique = list(by_candidate(observed).values())
    if len(unique) < 3:
        return [seen.mean for seen in observed]
    means = np.array([seen.mean for seen in unique])
    counts = np.array([seen.n for seen in unique], dtype=float)
    centre = float(np.average(means, weights=counts))
    scatter = _cell_variance(unique, centre)
    between = max(
        float(np.average((means - centre) ** 2, weights=counts)) - scatter * len(unique) / counts.sum(), 0.0
    )
    # With no sign of a difference all means would be told alike; a tenth of a cell's variance keeps their order.
    between = max(between, scatter / 10 / counts.mean())
    return [centre + (seen.mean - centre) * between / (between + scatter / seen.n) for seen in observed]


def _cell_variance(unique: Sequence[Observation], centre: float) -> float:
    """Variance of one cell around its candidate's mean; Bernoulli's where the cells themselves are not known."""
    squares = sum(sum((score - seen.mean) ** 2 for score in seen.scores.values()) for seen in unique)
    freedom = sum(len(seen.scores) - 1 for seen in unique if len(seen.scores) > 1)
    if freedom > 0:
        return max(squares / freedom, 1e-9)
    return max(abs(centre * (1 - centre)), 1e-9)


def _trial(
    space: SearchSpace, distributions: dict[str, CategoricalDistribution], candidate: Candidate, mean: float | None
) -> FrozenTrial | None:
    params = {name: str(arm) for name, arm in space.values(candidate).items()}
    if any(value not in distributions[name].choices for name, value in params.items()):
        return None  # an arm that was taken out of the space since
    state = TrialState.RUNNING if mean is None else TrialState.COMPLETE
    return create_trial(state=state, value=mean, params=params, distributions=dict(distributions))
