"""Thompson sampling under the item-response model: draw one world from the posterior, propose its best candidate.

A draw fixes every arm's effect, so the best candidate of that world is found predictor by predictor, whatever the
size of the space. Candidates that were seen bring their own effect along and compete with it. The first suggestions,
made before any trial is finished, are spread over the arms instead.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from mipro_studio.optimizer_core.parameters.space import KINDS, SearchSpace
from mipro_studio.optimizer_core.search.surrogates.base import Observation, by_candidate, random_fresh, spread_fresh
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.search.surrogates.posterior import Family, Floats, Posterior
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import SEED_ARM, Candidate

__all__ = ["ItemResponse"]

DRAWS = 4
TOP = 3
"""Best pairs of each predictor that unseen candidates are put together from."""
MOST_UNSEEN = TOP**6

Pair = tuple[int, int]


class ItemResponse:
    """Bayesian logistic model of each cell (see `laplace`), asked by Thompson sampling.

    Args:
        heat: Scale of the draws around the mode; 1 is Thompson's rule, less trusts what was seen more.
        boldness: The same for pairs of arms that were never seen together. There are hundreds of them, and at 1
            the luckiest would win nearly every draw.
        cooling: Share of the heat that is gone at the end of the search, when there is no time left to make good
            on a bold guess.
    """

    def __init__(self, heat: float = 1.0, boldness: float = 0.3, cooling: float = 1.0) -> None:
        self._heat = heat
        self._boldness = boldness
        self._cooling = cooling

    def suggest(
        self,
        space: SearchSpace,
        observed: Sequence[Observation],
        pending: Sequence[Candidate],
        exhausted: frozenset[str],
        seed: int,
        progress: float = 0.0,
    ) -> Candidate | None:
        seen = {one.candidate: one.scores for one in by_candidate(observed).values() if one.scores}
        if len(seen) <= 1:  # the baseline at most: nothing to tell arms apart by
            return spread_fresh(space, [*seen, *pending], exhausted, seed)
        posterior = fit(list(seen), list(seen.values()), features=space.features)
        if posterior is None or not space.parameters:
            return random_fresh(space, exhausted, seed)
        rng = np.random.default_rng(derive_seed(seed, "thompson"))
        heat = self._heat * (1 - progress * self._cooling)
        drawn, effects = posterior.draw(rng, DRAWS, heat)
        for column in range(DRAWS):
            world = _World(space, posterior, [found[:, column] for found in effects])
            world.imagine(rng, heat, self._boldness)
            found = world.best(dict(zip(seen, drawn[:, column].tolist(), strict=True)), exhausted)
            if found is not None:
                return found
        return random_fresh(space, exhausted, seed)


class _World:
    """What every active pair of arms adds to f in one draw.

    Attributes:
        arms: [P] active (instructions, demo sets).
        values: [P][instructions, demo sets].
    """

    def __init__(self, space: SearchSpace, posterior: Posterior, effects: Sequence[Floats]) -> None:
        self._known = {
            (family.kind, family.predictor): (float(variance) ** 0.5, family.codes, found)
            for family, variance, found in zip(posterior.families, posterior.scales.variances, effects, strict=True)
            if family.basis is None
        }
        self._told = [
            (family, found)
            for family, found in zip(posterior.families, effects, strict=True)
            if family.basis is not None
        ]
        self.mean = float(self._known["mean", -1][2][0])
        active = {(one.predictor, one.kind): one.arms for one in space.parameters}
        self.arms = [tuple(active.get((name, kind), (SEED_ARM,)) for kind in KINDS) for name in space.predictors]
        self.values: list[Floats] = []

    def imagine(self, rng: np.random.Generator, heat: float, boldness: float) -> None:
        """Fill `values`; arms that were never seen are drawn from their prior."""
        for predictor, (instructions, demos) in enumerate(self.arms):
            total = np.zeros((len(instructions), len(demos)))
            for kind, scale, shape in (
                ("instruction", heat, (len(instructions), 1)),
                ("demos", heat, (1, len(demos))),
                ("pair", boldness * heat, (len(instructions), len(demos))),
            ):
                spread, codes, found = self._known[kind, predictor]
                values = scale * spread * rng.standard_normal(shape)
                rows = {-1: 0} if kind == "demos" else {arm: place for place, arm in enumerate(instructions)}
                columns = {-1: 0} if kind == "instruction" else {arm: place for place, arm in enumerate(demos)}
                for (instruction, demo), effect in zip(codes, found.tolist(), strict=True):
                    row, column = rows.get(instruction), columns.get(demo)
                    if row is not None and column is not None:
                        values[row, column] = effect
                total += values
            for family, found in self._told:
                if family.predictor == predictor:
                    total += _of_arms(family, found, instructions, demos)
            self.values.append(total)

    def _holds(self, candidate: Candidate) -> bool:
        return all(
            instruction in instructions and demo in demos
            for (instruction, demo), (instructions, demos) in zip(candidate.choices, self.arms, strict=True)
        )

    def best(self, seen: Mapping[Candidate, float], exhausted: frozenset[str]) -> Candidate | None:
        """The best candidate with anything left to learn about; None when the best are all exhausted."""
        options = dict(seen)
        for pairs in itertools.islice(itertools.product(*map(self._top, range(len(self.arms)))), MOST_UNSEEN):
            candidate = Candidate(tuple(pair for pair, _ in pairs))
            if candidate not in seen:
                options[candidate] = self.mean + sum(value for _, value in pairs)
        for candidate in sorted(options, key=lambda candidate: -options[candidate]):
            if candidate.id not in exhausted and self._holds(candidate):
                return candidate
        return None

    def _top(self, predictor: int) -> list[tuple[Pair, float]]:
        (instructions, demos), values = self.arms[predictor], self.values[predictor].ravel()
        places = np.argsort(-values, kind="stable")[:TOP].tolist()
        width = len(demos)
        return [((instructions[at // width], demos[at % width]), float(values[at])) for at in places]


def _of_arms(family: Family, found: Floats, instructions: Sequence[int], demos: Sequence[int]) -> Floats:
    """What a feature adds to the active arms: a column of instructions or a row of demo sets."""
    by_code = dict(zip(family.codes, found.tolist(), strict=True))
    if family.kind == "demos":
        return np.array([[by_code.get((-1, arm), 0.0) for arm in demos]])
    return np.array([[by_code.get((arm, -1), 0.0)] for arm in instructions])
