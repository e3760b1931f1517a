"""Demo sets built from what was learned: of demos that are there, put together as the model of the cells likes best.

Proposals are subsets of a pool of demos, and the best known sets with one demo changed. All of them are arms that no
candidate has; the fit tells what their features are worth, and one draw of these worths decides, so that demos about
which little is known get their turn. Pure: the same arguments give the same set.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from mipro_studio.optimizer_core.parameters.arm_features import NO_CLASSES, Features, RowClasses, demo_features
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.search.surrogates.base import by_candidate
from mipro_studio.optimizer_core.search.surrogates.credit import with_credit
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.search.surrogates.posterior import MAIN, Floats, Posterior
from mipro_studio.optimizer_core.seeds import derive_seed, generator
from mipro_studio.optimizer_core.types import DEMOS, Arm, Demo

__all__ = ["COMPOSED", "Composed", "Workshop", "compose"]

COMPOSED = "composed"
PROPOSALS = 60
ROUNDS = 2
BEST = 3
"""Sets that changed ones start from."""
DRAWS = 64
FIRST = 1_000_000
"""Index of the first proposal, beyond that of any arm."""


@dataclass(frozen=True)
class Workshop:
    """What a set is composed from, for one predictor.

    Attributes:
        place, name, outputs: The predictor's position, name and outputs.
        sets: Its demo sets, the inactive ones too.
        pool: Demos that may be used.
        size: Most demos in a set.
        features: Of all other arms.
        classes: What the rows are labelled with.
    """

    place: int
    name: str
    outputs: Sequence[str]
    sets: Sequence[Arm]
    pool: Sequence[Demo]
    size: int
    features: Features
    classes: RowClasses = NO_CLASSES


@dataclass(frozen=True)
class Composed:
    """A set that is worth an arm.

    Attributes:
        gain: How much better than the best active set it is thought to be (logits).
        chance: That it is better.
        parents: Sets that have some of its demos.
    """

    demos: tuple[Demo, ...]
    gain: float
    chance: float
    parents: tuple[int, ...]


def compose(shop: Workshop, observed: Sequence[Observation], seed: int) -> Composed | None:
    """The set that one draw of the worths likes best; None: nothing new can be put together, or nothing is known."""
    seen = [one for one in by_candidate(observed).values() if one.scores]
    active = [one for one in shop.sets if one.active]
    rng = generator(seed, "compose", shop.name)
    if not shop.pool or len(seen) < 2:
        return None
    known = {_shown(one.demos) for one in shop.sets}
    values: Floats | None = None
    bases: list[tuple[Demo, ...]] = [one.demos for one in active]
    proposals: list[tuple[Demo, ...]] = []
    for _ in range(ROUNDS):
        proposals += _proposals(shop, bases, rng, known)
        if not proposals:
            return None
        numbered = [demos_arm(shop.name, FIRST + at, COMPOSED, demos) for at, demos in enumerate(proposals)]
        values = _values(shop, seen, active, numbered, seed)
        if values is None:
            return None
        liked = np.argsort(-values[:, 0], kind="stable")
        everything = [*(one.demos for one in active), *proposals]
        bases = [everything[at] for at in liked[:BEST].tolist()]
    assert values is not None
    n = len(active)
    at = int(values[n:, 0].argmax())
    means = values.mean(axis=1)
    best = int(means[:n].argmax())
    chance = float((values[n + at] > values[best]).mean())
    demos = proposals[at]
    inside = {_demo(one) for one in demos}
    parents = tuple(one.index for one in active if inside & {_demo(each) for each in one.demos})
    return Composed(demos, float(means[n + at] - means[best]), chance, parents)


def _values(
    shop: Workshop, seen: Sequence[Observation], active: Sequence[Arm], numbered: Sequence[Arm], seed: int
) -> Floats | None:
    """[active sets, then proposals; draws] what each adds to f: of a set that nobody has, what its features say."""
    described = demo_features([*shop.sets, *numbered], shop.outputs, row_classes=shop.classes)
    features = {**shop.features, (shop.place, DEMOS): described}
    posterior = fit(*with_credit(seen), features=features)
    if posterior is None or not posterior.converged:
        return None
    _, effects = posterior.draw(np.random.default_rng(derive_seed(seed, "worth", shop.name)), DRAWS)
    return np.array([_worth(posterior, effects, shop.place, one.index) for one in (*active, *numbered)])


def _worth(posterior: Posterior, effects: Sequence[Floats], place: int, index: int) -> Floats:
    total = np.zeros(DRAWS)
    for family, found in zip(posterior.families, effects, strict=True):
        if (family.effect, family.letters, family.place) == (MAIN, DEMOS[0], place) and (index,) in family.codes:
            total += found[family.codes.index((index,))]
    return total


def _proposals(
    shop: Workshop, bases: Sequence[tuple[Demo, ...]], rng: Random, known: set[tuple[tuple[str, bool], ...]]
) -> list[tuple[Demo, ...]]:
    """New sets; what they show is added to `known`."""
    found: list[tuple[Demo, ...]] = []
    for turn in range(PROPOSALS):
        base = list(rng.choice(bases)) if bases and turn % 2 else []
        demos = _changed(base, shop, rng) if base else _drawn(shop, rng)
        if demos and _shown(demos) not in known:
            known.add(_shown(demos))
            found.append(tuple(demos))
    return found


def _drawn(shop: Workshop, rng: Random) -> list[Demo]:
    """Some of the pool, no row twice."""
    size = rng.randint(max(1, shop.size // 2), shop.size)
    return _distinct(rng.sample(list(shop.pool), len(shop.pool)))[:size]


def _changed(base: list[Demo], shop: Workshop, rng: Random) -> list[Demo]:
    """`base` with a demo more, another one, one less, or in another order."""
    ways = ["other", "order"] + ["more"] * (len(base) < shop.size) + ["less"] * (len(base) > 1)
    match rng.choice(ways):
        case "more":
            base.insert(rng.randrange(len(base) + 1), rng.choice(list(shop.pool)))
        case "less":
            base.pop(rng.randrange(len(base)))
        case "order":
            rng.shuffle(base)
        case _:
            base[rng.randrange(len(base))] = rng.choice(list(shop.pool))
    return _distinct(base)[: shop.size]


def _distinct(demos: Sequence[Demo]) -> list[Demo]:
    """One demo a row."""
    by_row: dict[object, Demo] = {}
    for at, demo in enumerate(demos):
        by_row.setdefault(demo.example_id or at, demo)
    return list(by_row.values())


def _demo(demo: Demo) -> tuple[str, bool]:
    return demo.example_id, demo.augmented


def _shown(demos: Sequence[Demo]) -> tuple[tuple[str, bool], ...]:
    return tuple(_demo(demo) for demo in demos)
