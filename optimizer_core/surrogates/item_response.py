"""Thompson sampling under the item-response model: draw one world from the posterior, propose its best candidate.

A draw fixes every arm's effect, so the best candidate of that world is found predictor by predictor, whatever the
size of the space. Candidates that were seen bring their own effect along and compete with it.
"""

from collections.abc import Sequence

import numpy as np

from optimizer_core.seeds import derive_seed
from optimizer_core.space import KINDS, SearchSpace
from optimizer_core.surrogates.base import Observation, by_candidate, random_fresh
from optimizer_core.surrogates.posterior import PRIOR, Floats, Posterior, fit
from optimizer_core.types import SEED_ARM, Candidate

__all__ = ["ItemResponse"]

DRAWS = 8


class ItemResponse:
    """Bayesian logistic model of each cell (see `posterior`), asked by Thompson sampling.

    Args:
        boldness: Scale of what is drawn for pairs of arms that were never seen together. 1 is Thompson's rule; with
            hundreds of unseen pairs the luckiest of them would win nearly every draw.
        heat: Scale of the posterior's spread around its mean; below 1 it trusts what it has seen more.
    """

    def __init__(self, boldness: float = 0.3, heat: float = 1.0) -> None:
        self._boldness = boldness
        self._heat = heat

    def suggest(
        self,
        space: SearchSpace,
        observed: Sequence[Observation],
        pending: Sequence[Candidate],
        exhausted: frozenset[str],
        seed: int,
    ) -> Candidate | None:
        seen = [observation for observation in by_candidate(observed).values() if observation.scores]
        posterior = fit([one.candidate for one in seen], [one.scores for one in seen]) if seen else None
        if posterior is None or not space.parameters:
            return random_fresh(space, exhausted, seed)
        rng = np.random.default_rng(derive_seed(seed, "thompson"))
        drawn, effects = posterior.draw(rng, DRAWS)
        drawn, effects = self._cool(posterior, drawn, effects)
        for column in range(DRAWS):
            world = [
                self._pairs(space, posterior, effects, predictor, column, rng)
                for predictor in range(len(space.predictors))
            ]
            found = _best(space, [one.candidate for one in seen], drawn[:, column], world, exhausted)
            if found is not None:
                return found
        return random_fresh(space, exhausted, seed)

    def _cool(self, posterior: Posterior, drawn: Floats, effects: list[Floats]) -> tuple[Floats, list[Floats]]:
        if self._heat == 1.0:
            return drawn, effects
        mean = posterior.mode
        centres = [found.mean(axis=1, keepdims=True) for found in effects]
        cooled = [centre + self._heat * (found - centre) for centre, found in zip(centres, effects, strict=True)]
        return mean[:, None] + self._heat * (drawn - mean[:, None]), cooled

    def _pairs(
        self,
        space: SearchSpace,
        posterior: Posterior,
        effects: list[Floats],
        predictor: int,
        column: int,
        rng: np.random.Generator,
    ) -> tuple[list[tuple[int, int]], Floats]:
        """(pairs of active arms of `predictor`, what each adds to f in this world)."""
        first = 3 * predictor
        rows, columns = (_active(space, predictor, kind) for kind in KINDS)
        variances = posterior.variances
        main = []
        for family, arms, position in ((first, rows, 0), (first + 1, columns, 1)):
            known = {code[position]: effects[family][k, column] for k, code in enumerate(posterior.codes[family])}
            fresh = self._heat * np.sqrt(variances[family]) * rng.standard_normal(len(arms))
            main.append(np.array([known.get(arm, new) for arm, new in zip(arms, fresh, strict=True)]))
        values = main[0][:, None] + main[1][None, :]
        fresh = self._boldness * np.sqrt(variances[first + 2]) * rng.standard_normal(values.shape)
        known_pairs = {code: effects[first + 2][k, column] for k, code in enumerate(posterior.codes[first + 2])}
        pairs = [(row, col) for row in rows for col in columns]
        values = values.ravel() + np.array(
            [known_pairs.get(pair, new) for pair, new in zip(pairs, fresh.ravel(), strict=True)]
        )
        return pairs, values


def _active(space: SearchSpace, predictor: int, kind: str) -> tuple[int, ...]:
    name = f"{space.predictors[predictor]}: {kind}"
    return next((parameter.arms for parameter in space.parameters if parameter.name == name), (SEED_ARM,))


def _best(
    space: SearchSpace,
    seen: Sequence[Candidate],
    drawn: Floats,
    world: Sequence[tuple[list[tuple[int, int]], Floats]],
    exhausted: frozenset[str],
) -> Candidate | None:
    """The best of a world that is not exhausted; None when its best are."""
    tops = [int(values.argmax()) for _, values in world]
    composed = Candidate(tuple(pairs[top] for (pairs, _), top in zip(world, tops, strict=True)))
    active = [set(pairs) for pairs, _ in world]
    base = sum(float(values[top]) for (_, values), top in zip(world, tops, strict=True))
    lookup = [dict(zip(pairs, values, strict=True)) for pairs, values in world]
    best: Candidate | None = None
    most = -np.inf
    for candidate, value in zip(seen, drawn, strict=True):
        inside = all(choice in arms for choice, arms in zip(candidate.choices, active, strict=True))
        if not inside or candidate.id in exhausted:
            continue
        if value > most:
            best, most = candidate, float(value)
    del lookup
    return best if composed.id in exhausted else composed
