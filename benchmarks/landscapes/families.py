"""Simulated landscapes with a known optimum.

Notation: a candidate c takes instruction i[p] and demo set d[p] for every predictor p. On an example e of easiness
t[e] ~ N(0, 1) its chance of success is
    expit(f[c] + t[e]),   f[c] = base + sum_p (instruction[p, i] + demos[p, d] + pair[p, i, d])
                                      + sum_p cross[p, d[p], i[p + 1]].
All tables are independent normals, drawn once a seed. `cross` is in no surrogate's model. The optimum is exact:
predictors form a chain, so it is found by dynamic programming. A cell is drawn once and stays, as with a cached
model.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import norm

from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Candidate

__all__ = ["FAMILIES", "Family", "Landscape"]

Floats = NDArray[np.float64]
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(31)
N_EXAMPLES = 120
ARMS = 10
ITEMS = 5
JUDGE_NOISE = 0.3
COIN = 0.2
"""Share of cells that the noisy metric scores by a coin."""


@dataclass(frozen=True)
class Family:
    """Standard deviations of the effects in logits, and how a success becomes a score.

    `metric`: binary; graded (share of 5 items right); coin (binary, a fifth of the scores are coins); judge (a
    noisy grade from 1 to 5). `arms`: instructions, and demo sets, of a predictor.
    """

    name: str
    predictors: int
    main: float
    pair: float
    cross: float
    metric: str
    arms: int = ARMS


_SHAPES = (
    ("additive", 2, 0.5, 0.0, 0.0),
    ("interaction", 2, 0.3, 0.6, 0.2),
    ("single", 1, 0.5, 0.3, 0.0),
    ("four", 4, 0.35, 0.2, 0.1),
)
FAMILIES = (
    *(
        Family(f"{name}, {metric}", predictors, main, pair, cross, metric)
        for name, predictors, main, pair, cross in _SHAPES
        for metric in ("binary", "graded")
    ),
    Family("noisy, binary", 2, 0.45, 0.25, 0.1, "coin"),
    Family("noisy, graded", 2, 0.45, 0.25, 0.1, "judge"),
)


class Landscape:
    """One draw of a family."""

    def __init__(self, family: Family, seed: int, flat: bool = False) -> None:
        self.family = family
        self.seed = seed
        rng = np.random.default_rng(derive_seed(seed, family.name))
        p, n, scale = family.predictors, family.arms, 0.0 if flat else 1.0
        self.instruction = scale * rng.normal(0, family.main, (p, n))
        self.demos = scale * rng.normal(0, family.main, (p, n))
        self.pair = scale * rng.normal(0, family.pair, (p, n, n))
        self.cross = scale * rng.normal(0, family.cross, (max(p - 1, 0), n, n))
        self.easiness = rng.normal(0, 1, N_EXAMPLES)
        self._rows: dict[str, Floats] = {}

    def logit(self, candidate: Candidate) -> float:
        """f[c]."""
        total = -0.5
        chosen = [(candidate.arm(p, INSTRUCTION), candidate.arm(p, DEMOS)) for p in range(candidate.n_predictors)]
        for p, (i, d) in enumerate(chosen):
            total += self.instruction[p, i] + self.demos[p, d] + self.pair[p, i, d]
        for p, ((_, d), (i, _)) in enumerate(itertools.pairwise(chosen)):
            total += self.cross[p, d, i]
        return float(total)

    def true(self, candidate: Candidate) -> float:
        """Mean score over all examples there could be, on a scale from 0 to 1."""
        return self._true(self.logit(candidate))

    def _true(self, f: float) -> float:
        return float(self._expected(expit(f + NODES)) @ WEIGHTS / WEIGHTS.sum())

    def _expected(self, chance: Floats) -> Floats:
        match self.family.metric:
            case "coin":
                return np.asarray((1 - COIN) * chance + COIN / 2)
            case "judge":  # P(grade > k + 1) for k = 0..3, as the grade is round(4 x) between 0 and 4
                return np.asarray(sum(norm.sf((k + 0.5) / 4 - chance, scale=JUDGE_NOISE) for k in range(4)) / 4)
            case _:
                return chance

    @cached_property
    def optimum(self) -> float:
        """True score of the best candidate."""
        base = self.instruction[:, :, None] + self.demos[:, None, :] + self.pair
        best = base[0].max(axis=0)  # by the demo set of the last predictor so far
        for p in range(1, self.family.predictors):
            into = (best[:, None] + self.cross[p - 1]).max(axis=0)  # by this predictor's instruction
            best = (into[:, None] + base[p]).max(axis=0)
        return self._true(-0.5 + float(best.max()))

    def in_units(self, true: float) -> float:
        """A score on the scale from 0 to 1 as the metric gives it."""
        return 1 + 4 * true if self.family.metric == "judge" else true

    def fraction(self, candidate: Candidate) -> float:
        """The candidate's true score as a share of the best possible."""
        return self.true(candidate) / self.optimum

    def row(self, candidate: Candidate) -> Floats:
        """[N_EXAMPLES] the candidate's scores on the validation set, as the metric gives them."""
        found = self._rows.get(candidate.id)
        if found is None:
            rng = np.random.default_rng(derive_seed(self.seed, self.family.name, "cells", candidate.id))
            found = self._rows[candidate.id] = self._draw(expit(self.logit(candidate) + self.easiness), rng)
        return found

    def _draw(self, chance: Floats, rng: np.random.Generator) -> Floats:
        match self.family.metric:
            case "graded":
                return rng.binomial(ITEMS, chance) / ITEMS
            case "judge":
                return 1 + np.clip(np.round(4 * (chance + rng.normal(0, JUDGE_NOISE, len(chance)))), 0, 4)
            case _:
                return (rng.random(len(chance)) < self._expected(chance)).astype(float)
