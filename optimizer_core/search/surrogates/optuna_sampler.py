"""The item-response model as an Optuna sampler, for people who drive a study of their own.

Every parameter of the study is a categorical "PREDICTOR: instruction" or "PREDICTOR: demos". What the model learns
from are a trial's cells, which a trial carries as the user attribute `SCORES`:

    study = optuna.create_study(direction="maximize", sampler=ItemResponseSampler(seed=0))
    trial = study.ask(distributions)
    trial.set_user_attr(SCORES, {"example 1": 1.0, "example 2": 0.0})
    study.tell(trial, 0.5)

A trial without cells counts as one cell that every such trial shares.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from mipro_studio.optimizer_core.parameters.registry import KINDS, OF_THE_PROGRAM
from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.search.surrogates.base import Observation
from mipro_studio.optimizer_core.search.surrogates.item_response import ItemResponse
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import PROGRAM, Candidate

__all__ = ["SCORES", "ItemResponseSampler"]

SCORES = "scores"
"""User attribute of a trial: score by example id."""


class ItemResponseSampler(BaseSampler):  # type: ignore[misc]
    """Thompson sampling under the item-response model of `optimizer_core.search.surrogates`. Maximizes.

    Parameters that are not named as above are drawn at random, as are all until one trial is complete.

    Args:
        seed: Fixes every draw, together with the trial's number.
    """

    def __init__(self, seed: int = 0, model: ItemResponse | None = None) -> None:
        self._seed = seed
        self._model = model or ItemResponse()
        self._others = RandomSampler(seed=seed)
        self._common = IntersectionSearchSpace()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        found = self._common.calculate(study)
        return {name: one for name, one in found.items() if _ours(name) and isinstance(one, CategoricalDistribution)}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if study.direction != StudyDirection.MAXIMIZE:
            raise ValueError("ItemResponseSampler maximizes: make the study with direction='maximize'.")
        if not search_space:
            return {}
        space = _space(search_space)
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING))
        told = [one for one in trials if search_space.keys() <= one.params.keys()]
        observed = _observations(space, [one for one in told if one.state is TrialState.COMPLETE], search_space)
        pending = [_candidate(space, one, search_space) for one in told if one.state is TrialState.RUNNING]
        seed = derive_seed(self._seed, "sampler", trial.number)
        candidate = self._model.suggest(space, observed, pending, frozenset(), seed)
        assert candidate is not None  # nothing is exhausted
        return {name: search_space[name].choices[arm] for name, arm in space.values(candidate).items()}

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def reseed_rng(self) -> None:
        self._others.reseed_rng()


def _ours(name: str) -> bool:
    return name.rpartition(": ")[2] in KINDS


def _space(distributions: Mapping[str, BaseDistribution]) -> SearchSpace:
    arms: dict[str, dict[str, Sequence[int]]] = {kind: {} for kind in KINDS}
    owners: dict[str, None] = {}
    for name, one in distributions.items():
        owner, _, kind = name.rpartition(": ")
        owner = PROGRAM if owner == OF_THE_PROGRAM else owner
        owners[owner] = None
        arms[kind][owner] = range(len(one.choices))
    return SearchSpace([owner for owner in owners if owner != PROGRAM], arms)


def _candidate(space: SearchSpace, trial: FrozenTrial, distributions: Mapping[str, BaseDistribution]) -> Candidate:
    return space.candidate({name: distributions[name].choices.index(trial.params[name]) for name in distributions})


def _observations(
    space: SearchSpace, trials: Sequence[FrozenTrial], distributions: Mapping[str, BaseDistribution]
) -> list[Observation]:
    """One a trial; trials of one candidate carry all the cells of it so far."""
    cells: dict[Candidate, dict[str, float]] = {}
    for trial in trials:
        scores = trial.user_attrs.get(SCORES) or {"": trial.value}
        cells.setdefault(_candidate(space, trial, distributions), {}).update(scores)
    return [
        Observation(candidate, sum(scores.values()) / len(scores), len(scores), scores)
        for candidate, scores in cells.items()
    ]
