"""The item-response model of the score table: a Bayesian logistic model of every cell.

Notation and shapes. C candidates seen, E examples, P predictors, J effect families.
    y [C, E]    scores in [0, 1], NaN where there is no cell
    logit E[y[c, e]] = f[c] + t[e],    t[e] ~ N(0, tau2)                      t: how easy the example is
    f[c] = mu + sum_p (instruction[p, i] + demos[p, d] + pair[p, i, d]) + own[c]
All effects are independent normals with one variance for each family j (each predictor's instructions, demos and
pairs; the candidates' own), so that f ~ N(0, K),  K = sum_j v[j] G[j],  G[j][c, c'] = 1 where c and c' share the
effect (everywhere for mu). The effects themselves are never formed in the fit: the posterior lives on the C
candidates, whatever the number of arms.

Fit: Newton steps to the mode (Laplace). W [C, E] are the weights p (1 - p) / phi of the cells; phi is the dispersion
(below 1 for graded scores, which scatter less than coins). With t integrated out,
    S = diag(W 1) - W Q^-1 W',  Q = diag(1' W + 1 / tau2),     a = (I + S K)^-1 b,  f = K a,  cov f = K (I + S K)^-1.
The variances are empirical Bayes: v <- (|u|^2 + NU v0) / (g + NU) with u the effects at the mode, g = v tr(G M) the
number of effects that the data determine, M = (I + S K)^-1 S.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu_factor, lu_solve
from scipy.special import expit, logit
from threadpoolctl import ThreadpoolController

from optimizer_core.types import Candidate

__all__ = ["Family", "Floats", "Posterior", "fit", "table_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIOR = {"instruction": 0.15, "demos": 0.15, "pair": 0.08, "own": 0.03, "mean": 2.0, "example": 1.0}
"""Where the variances start, and where they stay while there is little data (logit squared); mu's stays for good."""
NU = 3.0
"""How many effects' worth of data the start counts for."""
DISPERSION = (0.03, 1.3)
COINS = 40.0
"""Cells that count as coins, so that the first dozen does not decide the dispersion."""
ROUNDS = 8
MANY = 120
"""The variances are learned from at most this many candidates, those with the most cells."""
BLAS = ThreadpoolController()
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True, eq=False)
class Family:
    """Effects that share a variance.

    Attributes:
        kind: instruction, demos, pair, own (each candidate's) or mean (mu, which all share).
        predictor: Position in the program; -1 where it is not a predictor's.
        codes: What the effects belong to: (instruction, demos), -1 for either that does not matter.
        group: [C] Which of `codes` each candidate has, by position.
    """

    kind: str
    predictor: int
    codes: list[tuple[int, int]]
    group: Ints


@dataclass(frozen=True, eq=False)
class Posterior:
    """Gaussian posterior of f over the candidates that were seen, and of every effect.

    Attributes:
        variances: [J] v.
        tau2: Variance of the examples' easiness.
        low, high: What 0 and 1 of the model are in the metric's units.
        mode: [C] f.
        pull: [C] a.
    """

    families: list[Family]
    variances: Floats
    tau2: float
    dispersion: float
    low: float
    high: float
    kernel: Floats
    weights: Floats
    target: Floats
    system: tuple[Floats, Ints]
    mode: Floats
    pull: Floats

    def covariance(self) -> Floats:
        """cov f [C, C]."""
        with BLAS.limit(limits=1):
            found: Floats = lu_solve(self.system, self.kernel, trans=1, check_finite=False).T
        return (found + found.T) / 2

    def score(self, values: Floats) -> Floats:
        """The mean score over all examples there could be, in the metric's units, of f = `values`."""
        easiness = np.sqrt(self.tau2) * NODES
        mean = expit(values[..., None] + easiness) @ WEIGHTS / WEIGHTS.sum()
        return np.asarray(self.low + (self.high - self.low) * mean)

    def draw(self, rng: np.random.Generator, n: int, heat: float = 1.0) -> tuple[Floats, list[Floats]]:
        """`n` joint draws: (f [C, n], effects [J][codes, n]), by Matheron's rule.

        Args:
            heat: Scale of the spread around the mode: 1 draws from the posterior, 0 gives the mode n times.
        """
        with BLAS.limit(limits=1):
            return self._draw(rng, n, heat)

    def _draw(self, rng: np.random.Generator, n: int, heat: float) -> tuple[Floats, list[Floats]]:
        prior = [
            np.sqrt(variance) * rng.standard_normal((len(family.codes), n))
            for variance, family in zip(self.variances, self.families, strict=True)
        ]
        start = sum_families(self.families, prior)
        root = np.sqrt(self.weights)
        inner = self.weights.sum(0) + 1 / self.tau2
        noise = np.empty_like(start)
        for column in range(n):
            cells = root * rng.standard_normal(root.shape)
            by_example = cells.sum(0) + rng.standard_normal(len(inner)) / np.sqrt(self.tau2)
            noise[:, column] = cells.sum(1) - self.weights @ (by_example / inner)
        known = self.weights.sum(1)[:, None] * start - self.weights @ (self.weights.T @ start / inner[:, None])
        pull = lu_solve(self.system, self.target[:, None] - known + noise, check_finite=False)
        effects = []
        for before, variance, family in zip(prior, self.variances, self.families, strict=True):
            size = len(family.codes)
            drawn = before + variance * sum_by(family.group, pull, size)
            centre = variance * sum_by(family.group, self.pull[:, None], size)
            effects.append(centre + heat * (drawn - centre))
        return sum_families(self.families, effects), effects


def sum_families(families: Sequence[Family], effects: Sequence[Floats]) -> Floats:
    """f [C, n] of effects [J][codes, n]."""
    return np.asarray(sum(found[family.group] for found, family in zip(effects, families, strict=True)))


def table_of(rows: Sequence[Mapping[str, float]]) -> tuple[Floats, float, float]:
    """(y [C, E] with NaN where there is no cell, low, high): scores outside [0, 1] are rescaled by their range."""
    names = {name: index for index, name in enumerate(dict.fromkeys(name for row in rows for name in row))}
    table = np.full((len(rows), len(names)), np.nan)
    where = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    table[where, [names[name] for row in rows for name in row]] = [score for row in rows for score in row.values()]
    low, high = 0.0, 1.0
    if table.size and not np.isnan(table).all():
        least, most = float(np.nanmin(table)), float(np.nanmax(table))
        if least < 0 or most > 1:
            low, high = least, most if most > least else least + 1
    return (table - low) / (high - low), low, high


def fit(candidates: Sequence[Candidate], rows: Sequence[Mapping[str, float]]) -> Posterior | None:
    """The posterior after `rows[c]` = scores of candidate c by example; None when there is no cell at all."""
    table, low, high = table_of(rows)
    mask = ~np.isnan(table)
    if not mask.any():
        return None
    scores = np.where(mask, table, 0.0)
    with BLAS.limit(limits=1):  # the matrices are small, and the other cores belong to the evaluations
        scales = None
        if len(candidates) > MANY:
            richest = np.sort(np.argsort(-mask.sum(1), kind="stable")[:MANY])
            part = _families([candidates[index] for index in richest])
            scales = _newton(part, mask[richest], scores[richest], ROUNDS, None)[0]
        families = _families(candidates)
        found, kernel, weights, target, system, f, pull = _newton(
            families, mask, scores, ROUNDS if scales is None else 3, scales
        )
    return Posterior(families, *found, low, high, kernel, weights, target, system, f, pull)


_Scales = tuple[Floats, float, float]
"""Variances of the families and of the examples, and the dispersion."""


def _newton(
    families: list[Family], mask: NDArray[np.bool_], scores: Floats, rounds: int, given: _Scales | None
) -> tuple[_Scales, Floats, Floats, Floats, tuple[Floats, Ints], Floats, Floats]:
    """Newton steps, each followed by one step of the scales unless they are `given`."""
    n, n_examples = mask.shape
    grams = [family.group[:, None] == family.group[None, :] for family in families]
    variances = np.array([PRIOR[family.kind] for family in families])
    tau2, phi = PRIOR["example"], 1.0
    learning = given is None
    if given is not None:
        variances, tau2, phi = given
    f = np.full(n, float(logit(np.clip(scores.sum() / mask.sum(), 0.02, 0.98))))
    easiness = np.zeros(n_examples)
    kernel = _kernel(variances, grams)
    for rest in range(rounds - 1, -1, -1):
        shape = f[:, None] + easiness
        chance = expit(shape)
        weights = mask * np.maximum(chance * (1 - chance), 1e-4) / phi
        pulled = weights * shape + mask * (scores - chance) / phi
        inner = weights.sum(0) + 1 / tau2
        information = np.diag(weights.sum(1)) - (weights / inner) @ weights.T
        target = pulled.sum(1) - weights @ (pulled.sum(0) / inner)
        system = lu_factor(np.eye(n) + information @ kernel, check_finite=False)
        solved = lu_solve(
            system, np.column_stack((target, information)) if learning and rest else target, check_finite=False
        )
        pull = solved[:, 0] if learning and rest else solved
        f = kernel @ pull
        easiness = (pulled.sum(0) - weights.T @ f) / inner
        if learning and rest:
            variances = _variances(families, grams, variances, pull, solved[:, 1:])
            spread = float(easiness @ easiness) + float((1 / inner).sum())
            tau2 = (spread + NU * PRIOR["example"]) / (n_examples + NU)
            phi = _dispersion(scores, expit(f[:, None] + easiness), mask)
            kernel = _kernel(variances, grams)
    return (variances, tau2, phi), kernel, weights, target, system, f, pull


def _kernel(variances: Floats, grams: Sequence[NDArray[np.bool_]]) -> Floats:
    kernel = np.zeros(grams[0].shape)
    for variance, gram in zip(variances, grams, strict=True):
        kernel += variance * gram
    return kernel


def _variances(
    families: Sequence[Family], grams: Sequence[NDArray[np.bool_]], variances: Floats, pull: Floats, precision: Floats
) -> Floats:
    found = variances.copy()
    for j, (family, gram) in enumerate(zip(families, grams, strict=True)):
        if family.kind != "mean":
            effects = variances[j] * sum_by(family.group, pull[:, None], len(family.codes))
            known = max(variances[j] * float(precision[gram].sum()), 0.0)
            found[j] = (float((effects**2).sum()) + NU * PRIOR[family.kind]) / (known + NU)
    return found


def _dispersion(scores: Floats, chance: Floats, mask: NDArray[np.bool_]) -> float:
    """Pearson's: how much the cells scatter, as a share of what coins would."""
    squares = ((scores - chance) ** 2 / np.maximum(chance * (1 - chance), 1e-3))[mask]
    cells = int(mask.sum())
    freedom = max(cells - min(mask.shape[1], cells / 2), 1.0)
    return float(np.clip((squares.sum() + COINS) / (freedom + COINS), *DISPERSION))


def _families(candidates: Sequence[Candidate]) -> list[Family]:
    families = []
    for predictor in range(len(candidates[0].choices)):
        chosen = [candidate.choices[predictor] for candidate in candidates]
        families.append(_family("instruction", predictor, [(instruction, -1) for instruction, _ in chosen]))
        families.append(_family("demos", predictor, [(-1, demos) for _, demos in chosen]))
        families.append(_family("pair", predictor, chosen))
    families.append(Family("own", -1, [(-1, -1)] * len(candidates), np.arange(len(candidates))))
    families.append(Family("mean", -1, [(-1, -1)], np.zeros(len(candidates), dtype=np.int64)))
    return families


def _family(kind: str, predictor: int, keys: Sequence[tuple[int, int]]) -> Family:
    index = {key: code for code, key in enumerate(dict.fromkeys(keys))}
    return Family(kind, predictor, list(index), np.array([index[key] for key in keys]))


def sum_by(group: Ints, values: Floats, n: int) -> Floats:
    """Sums of the rows of `values` [C, k] by group: [n, k]."""
    found = np.zeros((n, values.shape[1]))
    np.add.at(found, group, values)
    return found
