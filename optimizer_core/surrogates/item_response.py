"""Thompson sampling under the item-response model: draw one world from the posterior, propose its best candidate.

A draw fixes every arm's effect, so the best candidate of that world is found predictor by predictor, whatever the
size of the space. Candidates that were seen bring their own effect along and compete with it.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from optimizer_core.seeds import derive_seed
from optimizer_core.space import KINDS, SearchSpace
from optimizer_core.surrogates.base import Observation, by_candidate, random_fresh
from optimizer_core.surrogates.posterior import Floats, Posterior, fit
from optimizer_core.types import SEED_ARM, Candidate

__all__ = ["ItemResponse"]

DRAWS = 4
TOP = 3
"""Best pairs of each predictor that unseen candidates are put together from."""

Pair = tuple[int, int]


class ItemResponse:
    """Bayesian logistic model of each cell (see `posterior`), asked by Thompson sampling.

    Args:
        heat: Scale of the draws around the mode; 1 is Thompson's rule, less trusts what was seen more.
        boldness: The same for pairs of arms that were never seen together. There are hundreds of them, and at 1
            the luckiest would win nearly every draw.
    """

    def __init__(self, heat: float = 1.0, boldness: float = 0.3) -> None:
        self._heat = heat
        self._boldness = boldness

    def suggest(
        self,
        space: SearchSpace,
        observed: Sequence[Observation],
        pending: Sequence[Candidate],
        exhausted: frozenset[str],
        seed: int,
    ) -> Candidate | None:
        seen = {one.candidate: one.scores for one in by_candidate(observed).values() if one.scores}
        posterior = fit(list(seen), list(seen.values())) if seen else None
        if posterior is None or not space.parameters:
            return random_fresh(space, exhausted, seed)
        rng = np.random.default_rng(derive_seed(seed, "thompson"))
        drawn, effects = posterior.draw(rng, DRAWS, self._heat)
        for column in range(DRAWS):
            world = _World(space, posterior, [found[:, column] for found in effects], rng, self._heat, self._boldness)
            found = _best(world, dict(zip(seen, drawn[:, column], strict=True)), exhausted)
            if found is not None:
                return found
        return random_fresh(space, exhausted, seed)


class _World:
    """What every active pair of arms adds to f in one draw; arms that were never seen are drawn from their prior."""

    def __init__(
        self,
        space: SearchSpace,
        posterior: Posterior,
        effects: Sequence[Floats],
        rng: np.random.Generator,
        heat: float,
        boldness: float,
    ) -> None:
        known: dict[tuple[str, int], tuple[float, dict[Pair, float]]] = {}
        for family, variance, found in zip(posterior.families, posterior.variances, effects, strict=True):
            by_code = dict(zip(family.codes, found.tolist(), strict=True))
            known[family.kind, family.predictor] = (float(np.sqrt(variance)), by_code)
        self.mean = known["mean", -1][1][-1, -1]
        self.values: list[dict[Pair, float]] = []
        for predictor in range(len(space.predictors)):
            instructions, demos = (_active(space, predictor, kind) for kind in KINDS)
            total = np.zeros((len(instructions), len(demos)))
            for kind, scale, keys in (
                ("instruction", heat, [[(i, -1)] for i in instructions]),
                ("demos", heat, [[(-1, d) for d in demos]]),
                ("pair", boldness * heat, [[(i, d) for d in demos] for i in instructions]),
            ):
                spread, by_code = known[kind, predictor]
                fresh = scale * spread * rng.standard_normal((len(keys), len(keys[0])))
                total = total + [
                    [by_code.get(key, new) for key, new in zip(line, news, strict=True)]
                    for line, news in zip(keys, fresh.tolist(), strict=True)
                ]
            pairs = [(i, d) for i in instructions for d in demos]
            self.values.append(dict(zip(pairs, total.ravel().tolist(), strict=True)))

    def holds(self, candidate: Candidate) -> bool:
        return all(choice in values for choice, values in zip(candidate.choices, self.values, strict=True))


def _best(world: _World, seen: Mapping[Candidate, float], exhausted: frozenset[str]) -> Candidate | None:
    """The world's best candidate with anything left to learn about; None when its best are all exhausted."""
    tops = [sorted(values, key=lambda pair: -values[pair])[:TOP] for values in world.values]
    options = {
        candidate: f for candidate, f in seen.items() if candidate.id not in exhausted and world.holds(candidate)
    }
    for choices in itertools.islice(itertools.product(*tops), TOP**6):
        candidate = Candidate(choices)
        if candidate not in seen and candidate.id not in exhausted:
            values = (of_pair[pair] for pair, of_pair in zip(choices, world.values, strict=True))
            options[candidate] = world.mean + sum(values)
    return max(options, key=lambda candidate: options[candidate]) if options else None


def _active(space: SearchSpace, predictor: int, kind: str) -> tuple[int, ...]:
    name = f"{space.predictors[predictor]}: {kind}"
    return next((parameter.arms for parameter in space.parameters if parameter.name == name), (SEED_ARM,))
