"""Surrogates: models of the score over candidates that say which candidate to try next.

A surrogate has no state of its own. A suggestion is a function of the space, what was observed, what is under
way, and a seed: resuming needs no pickle, arms may be added at any time, and the same run gives the same trials.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from optimizer_core.seeds import generator
from optimizer_core.space import SearchSpace
from optimizer_core.types import Candidate

__all__ = ["Observation", "RandomSearch", "Surrogate", "TpeSurrogate"]

optuna.logging.set_verbosity(optuna.logging.WARNING)
RETRIES = 8


@dataclass(frozen=True, slots=True)
class Observation:
    """Mean score of one trial over `n` cells that have a score."""

    candidate: Candidate
    mean: float
    n: int


class Surrogate(Protocol):
    def suggest(
        self,
        space: SearchSpace,
        observed: Sequence[Observation],
        pending: Sequence[Candidate],
        exhausted: frozenset[str],
        seed: int,
    ) -> Candidate | None:
        """The next candidate to evaluate.

        Args:
            observed: Finished trials in order; higher means are better.
            pending: Candidates that are being evaluated.
            exhausted: Ids of candidates about which nothing more can be learned (fully evaluated).
            seed: Fixes every draw.

        Returns:
            None when every candidate of the space is exhausted.
        """


class RandomSearch:
    """Every candidate alike. The baseline that a surrogate has to beat."""

    def suggest(
        self,
        space: SearchSpace,
        observed: Sequence[Observation],
        pending: Sequence[Candidate],
        exhausted: frozenset[str],
        seed: int,
    ) -> Candidate | None:
        return _random_fresh(space, exhausted, seed)


class TpeSurrogate:
    """Multivariate TPE of Optuna (MIPRO section 4.3 and appendix F.5), asked with the trials under way as lies.

    Args:
        n_startup_trials: Random suggestions before the model is used; Optuna's own default is 10.
    """

    def __init__(self, n_startup_trials: int = 10) -> None:
        self._n_startup_trials = n_startup_trials

    def suggest(
        self,
        space: SearchSpace,
        observed: Sequence[Observation],
        pending: Sequence[Candidate],
        exhausted: frozenset[str],
        seed: int,
    ) -> Candidate | None:
        distributions = {
            parameter.name: CategoricalDistribution([str(arm) for arm in parameter.arms])
            for parameter in space.parameters
        }
        history = [_trial(space, distributions, seen.candidate, seen.mean) for seen in observed]
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
        return _random_fresh(space, exhausted, seed)


def _trial(
    space: SearchSpace, distributions: dict[str, CategoricalDistribution], candidate: Candidate, mean: float | None
) -> FrozenTrial | None:
    params = {name: str(arm) for name, arm in space.values(candidate).items()}
    if any(value not in distributions[name].choices for name, value in params.items()):
        return None  # an arm that was taken out of the space since
    state = TrialState.RUNNING if mean is None else TrialState.COMPLETE
    return create_trial(state=state, value=mean, params=params, distributions=dict(distributions))


def _random_fresh(space: SearchSpace, exhausted: frozenset[str], seed: int) -> Candidate | None:
    rng = generator(seed, "random")
    for _ in range(200):
        candidate = space.random(rng)
        if candidate.id not in exhausted:
            return candidate
    if space.size > 10_000:
        return None  # 200 draws from so large a space do not all hit exhausted candidates by chance
    fresh = [candidate for candidate in _everything(space) if candidate.id not in exhausted]
    return rng.choice(fresh) if fresh else None


def _everything(space: SearchSpace) -> list[Candidate]:
    points: list[dict[str, int]] = [{}]
    for parameter in space.parameters:
        points = [{**point, parameter.name: arm} for point in points for arm in parameter.arms]
    return [space.candidate(point) for point in points]
