"""Multivariate TPE of Optuna (MIPRO section 4.3 and appendix F.5), in two ways.

`ReplayedTpe` is the paper's and DSPy's: one study for the whole search, told each minibatch's own mean and each full
evaluation as one trial more. It has no state: the study is played again from what was observed.

`TpeSurrogate` makes a study for every suggestion, with the trials under way as lies, so that several may be under
way. In a race it is told means that know how few cells they have. Notation: trial t has the mean m[t] of n[t] cells.
Between candidates the true means differ with variance v, and one cell scatters around its candidate's mean with
variance s. What TPE is told is the empirical-Bayes mean
    m + w[t] (m[t] - m),   w[t] = v / (v + s / n[t]),   m = the mean of all m[t] weighted by n[t],
so that a lucky dozen of cells does not outrank a solid hundred.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from mipro_studio.optimizer_core.parameters.space import Parameter, SearchSpace
from mipro_studio.optimizer_core.search.surrogates.base import Observation, by_candidate, random_fresh
from mipro_studio.optimizer_core.types import WHOLE, Candidate

__all__ = ["ReplayedTpe", "TpeSurrogate", "shrunk_means"]

optuna.logging.set_verbosity(optuna.logging.WARNING)
RETRIES = 8
N_STARTUP_TRIALS = 10
"""Random suggestions before the model is used, the baseline and full evaluations counted; Optuna's own default."""


class _Choices(CategoricalDistribution):  # type: ignore[misc]
    """Optuna copies every trial's distributions and compares them choice by choice; ours are shared and stay."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Choices":
        return self

    def __eq__(self, other: object) -> bool:
        return self is other or bool(super().__eq__(other))

    __hash__ = CategoricalDistribution.__hash__


class ReplayedTpe:
    """MIPROv2's search: its suggestions, for the same seed and the same scores.

    A candidate may come again after its full evaluation, as it may there; its minibatch is then told once more.
    """

    def __init__(self) -> None:
        self._played: _Study | None = None

    def suggest(
        self,
        space: SearchSpace,
        observed: Sequence[Observation],
        pending: Sequence[Candidate],
        exhausted: frozenset[str],
        seed: int,
        progress: float = 0.0,
    ) -> Candidate | None:
        """As every surrogate: nothing exhausted. `seed` is the study's."""
        number = 1 + max((seen.number for seen in observed), default=0)
        for more in range(RETRIES):
            found = _Study(space, seed + more).played(observed, number)
            if found.id not in exhausted:
                return found
        return random_fresh(space, exhausted, seed)

    def next(self, space: SearchSpace, observed: Sequence[Observation], number: int, seed: int) -> Candidate:
        """The suggestion of trial `number`, all trials before it being finished.

        Args:
            observed: Every trial so far that has a score.
            seed: The run's.
        """
        if self._played is None or not self._played.goes_on(space, observed, number, seed):
            self._played = _Study(space, seed)
        return self._played.played(observed, number)


class _Study:
    """A study as MIPROv2 keeps it, its names of parameters included: Optuna draws for them in their order."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        self._space = space
        self._seed = seed
        self._names = {parameter.name: _name_in_dspy(space, parameter) for parameter in space.parameters}
        self._choices = {
            self._names[parameter.name]: _Choices([str(arm) for arm in parameter.arms])
            for parameter in space.parameters
        }
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=N_STARTUP_TRIALS)
        self._study = optuna.create_study(direction="maximize", sampler=sampler)
        self._told: list[Observation] = []
        self._asked = 0
        self._open: dict[int, optuna.Trial] = {}

    def goes_on(self, space: SearchSpace, observed: Sequence[Observation], number: int, seed: int) -> bool:
        """Whether `observed` continues what was told."""
        same = (space.predictors, space.parameters) == (self._space.predictors, self._space.parameters)
        told = [(one.candidate, one.told, one.number) for one in self._told]
        now = [(one.candidate, one.told, one.number) for one in observed[: len(told)]]
        return same and seed == self._seed and told == now and number >= self._asked

    def played(self, observed: Sequence[Observation], number: int) -> Candidate:
        """Tell what is new of `observed`, in order, and ask for trial `number`; trials without a score failed."""
        for seen in observed[len(self._told) :]:
            if seen.suggested:
                self._answer(seen)
            else:
                self._add(seen)
            self._told.append(seen)
        trial = self._ask(number)
        return self._space.candidate({name: int(trial.params[ours]) for name, ours in self._names.items()})

    def _ask(self, number: int) -> optuna.Trial:
        """The trial `number`, asked for once; those before it that were never answered have failed."""
        while self._asked < number:
            for trial in self._open.values():
                self._study.tell(trial, state=TrialState.FAIL)
            self._asked += 1
            self._open = {self._asked: self._study.ask(dict(self._choices))}
        return self._open[number]

    def _answer(self, seen: Observation) -> None:
        trial = self._ask(seen.number)
        self._open.clear()
        if trial.params == self._params(seen.candidate):
            self._study.tell(trial, seen.told)
        else:  # a person's arm, or another space than the suggestion was made in
            self._study.tell(trial, state=TrialState.FAIL)
            self._add(seen)

    def _add(self, seen: Observation) -> None:
        params = self._params(seen.candidate)
        if all(value in self._choices[name].choices for name, value in params.items()):
            self._study.add_trial(create_trial(value=seen.told, params=params, distributions=dict(self._choices)))

    def _params(self, candidate: Candidate) -> dict[str, str]:
        return {self._names[name]: str(arm) for name, arm in self._space.values(candidate).items()}


def _name_in_dspy(space: SearchSpace, parameter: Parameter) -> str:
    place = space.place(parameter.owner)
    return f"{place}_predictor_{parameter.kind}" if place != WHOLE else f"program_{parameter.kind}"


class TpeSurrogate:
    """TPE asked with the trials under way as lies.

    Args:
        n_startup_trials: See `N_STARTUP_TRIALS`.
        shrink: Tell means shrunk by the number of cells behind them, one a suggested trial; False tells every trial's
            own mean, full evaluations as well.
    """

    def __init__(self, n_startup_trials: int = N_STARTUP_TRIALS, shrink: bool = True) -> None:
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
        told = [(one.candidate, one.told) for one in observed] if not self._shrink else _shrunk(observed)
        history = [_trial(space, distributions, candidate, mean) for candidate, mean in told]
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


def _shrunk(observed: Sequence[Observation]) -> list[tuple[Candidate, float]]:
    """(candidate, mean) of every trial but full evaluations of candidates that were told before."""
    kept = []
    seen: set[Candidate] = set()
    for one in observed:
        if not (one.full and one.candidate in seen):
            kept.append(one)
        seen.add(one.candidate)
    return [(one.candidate, mean) for one, mean in zip(kept, shrunk_means(kept), strict=True)]


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
    space: SearchSpace, distributions: Mapping[str, CategoricalDistribution], candidate: Candidate, mean: float | None
) -> FrozenTrial | None:
    params = {name: str(arm) for name, arm in space.values(candidate).items()}
    if any(value not in distributions[name].choices for name, value in params.items()):
        return None  # an arm that was taken out of the space since
    state = TrialState.RUNNING if mean is None else TrialState.COMPLETE
    return create_trial(state=state, value=mean, params=params, distributions=dict(distributions))
