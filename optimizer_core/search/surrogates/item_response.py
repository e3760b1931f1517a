"""Thompson sampling under the item-response model: draw one world from the posterior, propose its best candidate.

A draw fixes every arm's effect, so the best candidate of that world is found owner by owner, whatever the
size of the space. Candidates that were seen bring their own effect along and compete with it. The first suggestions,
made before any trial is finished, are spread over the arms instead; or, where an earlier run said what arms were
worth, drawn from that.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.search.surrogates.base import Observation, by_candidate, random_fresh, spread_fresh
from mipro_studio.optimizer_core.search.surrogates.credit import with_credit
from mipro_studio.optimizer_core.search.surrogates.effects import positions
from mipro_studio.optimizer_core.search.surrogates.laplace import PRIOR, fit
from mipro_studio.optimizer_core.search.surrogates.posterior import MAIN, MEAN, PAIR, Family, Floats, Posterior
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import ALWAYS_WRITTEN, SEED_ARM, Candidate

__all__ = ["ItemResponse"]

DRAWS = 4
TOP = 3
"""Best choices of each owner that unseen candidates are put together from."""
MOST_UNSEEN = TOP**6

Chosen = dict[tuple[int, str], int]
"""(place, letter of the kind) -> arm."""


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
        known = [one for one in by_candidate(observed).values() if one.scores]
        seen = [one.candidate for one in known]
        rng = np.random.default_rng(derive_seed(seed, "thompson"))
        told = any(feature.mean for features in space.features.values() for feature in features)
        if len(seen) <= 1 and not told:  # the baseline at most: nothing to tell arms apart by
            return spread_fresh(space, [*seen, *pending], exhausted, seed)
        if not seen:
            drawn = _as_before(space, rng, heat=self._heat if len(pending) > 1 else 0.0)
            return drawn if drawn.id not in exhausted else random_fresh(space, exhausted, seed)
        posterior = fit(*with_credit(known), features=space.features)
        if posterior is None or not space.parameters:
            return random_fresh(space, exhausted, seed)
        heat = self._heat * (1 - progress * self._cooling)
        values, effects = posterior.draw(rng, DRAWS, heat)
        for column in range(DRAWS):
            world = _World(space, posterior, [found[:, column] for found in effects])
            world.imagine(rng, heat, self._boldness)
            found = world.best(dict(zip(seen, values[: len(seen), column].tolist(), strict=True)), exhausted)
            if found is not None:
                return found
        return random_fresh(space, exhausted, seed)


def _as_before(space: SearchSpace, rng: np.random.Generator, heat: float) -> Candidate:
    """A draw of what an earlier run said of the arms, before any cell: every owner's best of each kind."""
    chosen = {}
    for one in space.parameters:
        worth = dict.fromkeys(one.arms, 0.0)
        for feature in space.features.get((space.place(one.owner), one.kind), ()):
            for arm, row in zip(feature.arms, feature.basis, strict=True):
                if arm in worth:
                    worth[arm] += feature.mean * float(row.sum())
        drawn = heat * PRIOR[MAIN] ** 0.5 * rng.standard_normal(len(one.arms))
        chosen[one.name] = one.arms[int((np.array(list(worth.values())) + drawn).argmax())]
    return space.candidate(chosen)


class _World:
    """What every active choice of arms adds to f in one draw.

    Attributes:
        letters: By place of the owner: the kinds that it has.
        arms: By place: the active arms of each of these kinds.
        values: By place: what each combination of them adds, an axis for each kind.
    """

    def __init__(self, space: SearchSpace, posterior: Posterior, effects: Sequence[Floats]) -> None:
        self._n_predictors = len(space.predictors)
        self._known = {
            (family.letters, family.place): (float(variance) ** 0.5, family.codes, found)
            for family, variance, found in zip(posterior.families, posterior.scales.variances, effects, strict=True)
            if family.letters and family.basis is None
        }
        self._told = [
            (family, found)
            for family, found in zip(posterior.families, effects, strict=True)
            if family.basis is not None
        ]
        means = [found for family, found in zip(posterior.families, effects, strict=True) if family.effect == MEAN]
        self.mean = float(means[0][0])
        active = {(space.place(one.owner), one.kind[0]): one.arms for one in space.parameters}
        self.letters: dict[int, tuple[str, ...]] = dict.fromkeys(range(self._n_predictors), ALWAYS_WRITTEN)
        for place, letter in sorted(active):  # as `laplace` orders the kinds
            if letter not in self.letters.get(place, ()):
                self.letters[place] = (*self.letters.get(place, ()), letter)
        self.arms = {
            place: tuple(active.get((place, letter), (SEED_ARM,)) for letter in letters)
            for place, letters in self.letters.items()
        }
        self.values: dict[int, Floats] = {}

    def imagine(self, rng: np.random.Generator, heat: float, boldness: float) -> None:
        """Fill `values`; arms that were never seen are drawn from their prior."""
        for place, arms in self.arms.items():
            axes = range(len(arms))
            total = np.zeros([len(of_kind) for of_kind in arms])
            for axis in axes:
                total = total + self._drawn(rng, place, (axis,), heat, PRIOR[MAIN])
            for pair in itertools.combinations(axes, 2):
                total = total + self._drawn(rng, place, pair, boldness * heat, PRIOR[PAIR])
            for family, found in self._told:
                if family.place == place and family.letters in self.letters[place]:
                    total = total + self._of_arms(family, found)
            self.values[place] = total

    def _drawn(
        self, rng: np.random.Generator, place: int, axes: tuple[int, ...], scale: float, prior: float
    ) -> Floats:
        """The effects of one family, on the axes of `values`; an axis that does not matter has length 1."""
        arms = self.arms[place]
        letters = "".join(self.letters[place][axis] for axis in axes)
        spread, codes, found = self._known.get((letters, place), (prior**0.5, [], np.empty(0)))
        shape = [len(of_kind) if axis in axes else 1 for axis, of_kind in enumerate(arms)]
        values = np.asarray(scale * spread * rng.standard_normal(shape))
        if codes:
            chosen = zip(axes, np.array(codes).T, strict=True)
            at = np.array([positions(arms[axis], of_axis) for axis, of_axis in chosen])
            active = (at < np.array([[len(arms[axis])] for axis in axes])).all(axis=0)
            index = [np.zeros(int(active.sum()), dtype=np.int64)] * len(arms)
            for axis, of_axis in zip(axes, at, strict=True):
                index[axis] = of_axis[active]
            values[tuple(index)] = found[active]
        return values

    def _of_arms(self, family: Family, found: Floats) -> Floats:
        """What a feature adds to the active arms, on the axis of their kind."""
        arms, axis = self.arms[family.place], self.letters[family.place].index(family.letters)
        by_code = dict(zip(family.codes, found.tolist(), strict=True))
        shape = [1] * len(arms)
        shape[axis] = len(arms[axis])
        return np.array([by_code.get((arm,), 0.0) for arm in arms[axis]]).reshape(shape)

    def _holds(self, candidate: Candidate) -> bool:
        known = {
            (place, letter): of_kind
            for place, letters in self.letters.items()
            for letter, of_kind in zip(letters, self.arms[place], strict=True)
        }
        return all((place, letter) in known for place, letter, _ in candidate.arms) and all(
            candidate.arm(place, letter) in of_kind for (place, letter), of_kind in known.items()
        )

    def best(self, seen: Mapping[Candidate, float], exhausted: frozenset[str]) -> Candidate | None:
        """The best candidate with anything left to learn about; None when the best are all exhausted."""
        options = dict(seen)
        for choices in itertools.islice(itertools.product(*map(self._top, self.arms)), MOST_UNSEEN):
            chosen = {slot: arm for own, _ in choices for slot, arm in own.items()}
            candidate = Candidate.of(self._n_predictors, chosen)
            if candidate not in seen:
                options[candidate] = self.mean + sum(value for _, value in choices)
        for candidate in sorted(options, key=lambda candidate: -options[candidate]):
            if candidate.id not in exhausted and self._holds(candidate):
                return candidate
        return None

    def _top(self, place: int) -> list[tuple[Chosen, float]]:
        """The owner's best choices with what they add."""
        arms, letters, values = self.arms[place], self.letters[place], self.values[place]
        best = np.argsort(-values.ravel(), kind="stable")[:TOP]
        found = []
        for at in zip(*np.unravel_index(best, values.shape), strict=True):
            slots = {(place, letters[axis]): arms[axis][int(here)] for axis, here in enumerate(at)}
            found.append((slots, float(values[at])))
        return found
