"""What a surrogate believes about each arm: a mean score and an interval, from the observations it is told.

item_response    The posterior of the model in `surrogates.posterior`: the score of a candidate with this arm whose
                 other parts are average, mean and central 90 % of joint draws.
tpe, random      TPE has densities and no means, so what it is told is shown: the empirical-Bayes means of the
                 candidates with this arm (`surrogates.tpe.shrunk_means`), weighted by their cells, with the normal
                 90 % interval of that weighted mean. Below two candidates there is no interval.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from mipro_studio.optimizer_core.parameters.space import Parameter, SearchSpace
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.search.surrogates.base import by_candidate
from mipro_studio.optimizer_core.search.surrogates.credit import with_credit
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.search.surrogates.posterior import MEAN, Posterior
from mipro_studio.optimizer_core.search.surrogates.tpe import shrunk_means
from mipro_studio.optimizer_core.seeds import derive_seed

__all__ = ["LEVEL", "beliefs"]

LEVEL = 0.9
DRAWS = 256
Z = 1.6448536269514722

Belief = tuple[float | None, float | None, float | None]
Believe = Callable[[Parameter, int, Sequence[int]], Belief]
"""(parameter, arm, positions of the observations with it) -> mean, low, high."""


def beliefs(space: SearchSpace, observed: Sequence[Observation], surrogate: str, seed: int) -> dict[str, Any]:
    """What the search believes of every arm, as JSON: {surrogate, level, n_candidates, n_cells, arms, converged}.

    An arm is {predictor, kind, arm, mean, low, high, n_candidates, n_cells}. Not `converged`: the model's fit failed,
    and these are shrunken means. Arms that no candidate had yet are there with mean None.

    Args:
        space: The arms that are searched.
        observed: Finished trials in order.
        surrogate: `item_response` for its posterior; any other name for shrunken means.
        seed: Of the draws from the posterior: the same arguments give the same answer.
    """
    seen = list(by_candidate(observed).values())
    posterior = _fitted(space, seen) if surrogate == "item_response" else None
    believe = _shrunk(seen) if surrogate != "item_response" else _believe(space, posterior, seed)
    arms = []
    for parameter in space.parameters:
        place = space.place(parameter.owner)
        by_arm: dict[int, list[int]] = {}
        for index, one in enumerate(seen):
            by_arm.setdefault(one.candidate.arm(place, parameter.kind), []).append(index)
        for arm in parameter.arms:
            having = by_arm.get(arm, [])
            mean, low, high = believe(parameter, arm, having) if having else (None, None, None)
            arms.append(
                {
                    "predictor": parameter.owner,
                    "kind": parameter.kind,
                    "arm": arm,
                    "mean": mean,
                    "low": low,
                    "high": high,
                    "n_candidates": len(having),
                    "n_cells": sum(seen[index].n for index in having),
                }
            )
    cells = sum(one.n for one in seen)
    facts = {"surrogate": surrogate, "level": LEVEL, "n_candidates": len(seen), "n_cells": cells, "arms": arms}
    return {**facts, "converged": posterior is None or posterior.converged}


def _fitted(space: SearchSpace, seen: Sequence[Observation]) -> Posterior | None:
    told = [one for one in seen if one.scores]
    return fit(*with_credit(told), features=space.features) if told else None


def _believe(space: SearchSpace, posterior: Posterior | None, seed: int) -> Believe:
    if posterior is None:
        return lambda parameter, arm, having: (None, None, None)
    _, effects = posterior.draw(np.random.default_rng(derive_seed(seed, "beliefs")), DRAWS)
    found: Mapping[Any, Any] = {
        (family.letters, family.place) if family.letters else family.effect: dict(
            zip(family.codes, drawn, strict=True)
        )
        for family, drawn in zip(posterior.families, effects, strict=True)
        if family.basis is None
    }
    told = [
        ((family.letters, family.place), family.codes, drawn)
        for family, drawn in zip(posterior.families, effects, strict=True)
        if family.basis is not None
    ]
    middle = found[MEAN][()]

    def believe(parameter: Parameter, arm: int, having: Sequence[int]) -> Belief:
        slot = (parameter.kind[0], space.place(parameter.owner))
        effect = found.get(slot, {}).get((arm,))
        if effect is None:
            return (None, None, None)
        known = (drawn[codes.index((arm,))] for at, codes, drawn in told if at == slot and (arm,) in codes)
        effect = effect + sum(known)
        scores = posterior.score(middle + effect)
        low, high = np.quantile(scores, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return (float(scores.mean()), float(low), float(high))

    return believe


def _shrunk(seen: Sequence[Observation]) -> Believe:
    means = shrunk_means(seen)
    scores = [score for one in seen for score in one.scores.values()]
    shares = bool(scores) and all(0.0 <= score <= 1.0 for score in scores)

    def believe(parameter: Parameter, arm: int, having: Sequence[int]) -> Belief:
        values = np.array([means[i] for i in having])
        weights = np.array([seen[i].n for i in having], dtype=float)
        mean = float(np.average(values, weights=weights))
        if len(having) < 2:
            return (mean, None, None)
        share = weights / weights.sum()
        # The weighted mean's variance, with Bessel's correction for weights.
        scatter = float(share @ (values - mean) ** 2) / max(1 - float((share**2).sum()), 1e-9)
        half = Z * float(np.sqrt(scatter * (share**2).sum()))
        low, high = mean - half, mean + half
        return (mean, max(0.0, low), min(1.0, high)) if shares else (mean, low, high)

    return believe
