"""The families of effects that the item-response model has for a set of candidates, and the kernel of them.

Notation and shapes as in `surrogates.laplace`.
"""

from collections.abc import Mapping, Sequence, Set
from itertools import combinations

import numpy as np

from mipro_studio.optimizer_core.parameters.arm_features import Feature, Features
from mipro_studio.optimizer_core.search.surrogates.posterior import (
    MAIN,
    MEAN,
    OWN,
    PAIR,
    Family,
    Floats,
    Ints,
    Scales,
)
from mipro_studio.optimizer_core.types import ALWAYS_WRITTEN, SEED_ARM, WHOLE, Candidate

__all__ = ["Choices", "arms_of", "choices_of", "families_of", "kernel_of", "positions"]

Choices = Mapping[tuple[int, str], Ints]
"""[C] the candidates' arms, by (place, letter) of every kind that they may differ in."""


def choices_of(candidates: Sequence[Candidate]) -> Choices:
    named = {(place, letter) for one in candidates for place, letter, _ in one.arms}
    places = (*range(candidates[0].n_predictors), WHOLE)
    slots = [(place, letter) for place in places for letter in _letters(named, place)]
    column = {slot: at for at, slot in enumerate(slots)}
    table = np.full((len(slots), len(candidates)), SEED_ARM)
    where = [column[place, letter] for one in candidates for place, letter, _ in one.arms]
    who = np.repeat(np.arange(len(candidates)), [len(one.arms) for one in candidates])
    table[where, who] = [index for one in candidates for _, _, index in one.arms]
    return dict(zip(slots, table, strict=True))


def arms_of(choices: Choices, place: int, kind: str) -> Ints:
    """[C] the arms of a kind; the seed's where the candidates do not differ in it."""
    of_all = next(iter(choices.values()))
    return choices.get((place, kind[0]), np.full_like(of_all, SEED_ARM))


def _letters(seen: Set[tuple[int, str]], place: int) -> list[str]:
    """The kinds of arms of one owner: those of every predictor, then what else any of the candidates differs in.

    Args:
        seen: (place, letter) of the arms that any candidate names.
    """
    always = () if place == WHOLE else ALWAYS_WRITTEN
    named = {letter for at, letter in seen if at == place}
    return [*always, *sorted(named - set(always))]


def families_of(choices: Choices, features: Features) -> list[Family]:
    families = []
    for place in dict.fromkeys(place for place, _ in choices):
        chosen = {letter: arms for (at, letter), arms in choices.items() if at == place}
        families += [_family(MAIN, place, (letter,), chosen) for letter in chosen]
        families += [_family(PAIR, place, pair, chosen) for pair in combinations(chosen, 2)]
    for (place, kind), of_arms in features.items():
        arms = arms_of(choices, place, kind)
        groups = {known: positions(known, arms) for known in {one.arms for one in of_arms}}
        families += [_of_feature(one, kind, place, groups[one.arms]) for one in of_arms]
    n = len(next(iter(choices.values())))
    families.append(Family(OWN, WHOLE, "", [()] * n, np.arange(n)))
    families.append(Family(MEAN, WHOLE, "", [()], np.zeros(n, dtype=np.int64)))
    return families


def _family(effect: str, place: int, letters: tuple[str, ...], chosen: Mapping[str, Ints]) -> Family:
    """`chosen`: arms [C] by letter. Codes come in the order in which candidates have them."""
    arms = np.array([chosen[letter] for letter in letters])
    lowest = arms.min()
    key = np.ravel_multi_index(tuple(arms - lowest), (int(arms.max() - lowest) + 1,) * len(letters))
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    order = np.argsort(first)
    codes = [tuple(code) for code in arms[:, first[order]].T.tolist()]
    return Family(effect, place, "".join(letters), codes, np.argsort(order)[inverse])


def positions(known: Sequence[int], arms: Ints) -> Ints:
    """Where each of `arms` stands in `known`; its length where nowhere."""
    values = np.array(known, dtype=np.int64)
    order = np.argsort(values)
    at = order[np.minimum(np.searchsorted(values, arms, sorter=order), len(values) - 1)]
    return np.where(values[at] == arms, at, len(values))


def _of_feature(feature: Feature, kind: str, place: int, group: Ints) -> Family:
    """The family of a feature: all arms that it knows, and at the end one for those that it does not, of effect 0."""
    codes: list[tuple[int, ...]] = [(arm,) for arm in feature.arms]
    basis = np.vstack((feature.basis, np.zeros((1, feature.basis.shape[1]))))
    known = MAIN, place, kind[0], [*codes, (-2,)], group, basis
    return Family(*known, feature.mean, bool(feature.by_row), feature.mean_sd, mean_before=feature.mean)


def kernel_of(families: Sequence[Family], scales: Scales) -> Floats:
    """[C, C] K for variances that stay: without the grams, which are as large again for every family."""
    n = len(families[0].group)
    kernel = np.zeros((n, n))
    of_arms: dict[tuple[str, int], tuple[Ints, Floats]] = {}
    for family, variance in zip(families, scales.variances, strict=True):
        if family.basis is not None:  # summed over arms first, of which there are fewer
            group, gram = of_arms.get((family.letters, family.place), (family.group, np.zeros(())))
            of_arms[family.letters, family.place] = group, gram + variance * (family.basis @ family.basis.T)
        elif len(family.codes) == 1:
            kernel += variance
        else:  # most candidates share no arm, and hardly any two a pair of arms
            kernel[_who_share(family.group)] += variance
    each = np.empty((n, n))
    for group, gram in of_arms.values():
        kernel += np.take(gram[:, group], group, axis=0, out=each, mode="clip")  # which needs no buffer
    return kernel


def _who_share(group: Ints) -> tuple[Ints, Ints]:
    """All (c, c') of one group, each c with itself among them."""
    order = np.argsort(group, kind="stable")
    sizes = np.bincount(group)
    each = sizes[group[order]]
    starts = (np.cumsum(sizes) - sizes)[group[order]]
    within = np.arange(int(each.sum())) - np.repeat(np.cumsum(each) - each, each)
    return np.repeat(order, each), order[np.repeat(starts, each) + within]
