"""The item-response model of the score table: a Bayesian logistic model of every cell.

Notation and shapes. C candidates seen, E examples, P predictors, J effect families.
    y [C, E]    scores in [0, 1], NaN where there is no cell
    logit E[y[c, e]] = f[c] + t[e],    t[e] ~ N(0, tau2)                      t: how easy the example is
    f[c] = mu + sum_p (instruction[p, i] + demos[p, d] + pair[p, i, d]) + own[c]
All effects are independent normals with one variance for each family j (each predictor's instructions, demos and
pairs; the candidates' own), so that f ~ N(0, K),  K = sum_j v[j] G[j],  G[j][c, c'] = 1 where c and c' share the
effect. The weights themselves are never formed in the fit: the posterior lives on the C candidates, whatever the
number of arms.

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

from optimizer_core.types import Candidate

__all__ = ["Floats", "Posterior", "fit", "table_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

INTERCEPT = 2.0
"""Prior variance of mu."""
PRIOR = {"instruction": 0.15, "demos": 0.15, "pair": 0.08, "own": 0.03, "example": 1.0}
"""Where the variances start, and where they stay while there is little data (logit squared)."""
NU = 3.0
"""How many effects' worth of data the start counts for."""
DISPERSION = (0.03, 1.3)
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True, eq=False)
class Posterior:
    """Gaussian posterior of f over the candidates that were seen, and what it takes to draw effects of any arm.

    Attributes:
        groups: [J][C] which effect of family j candidate c has, by code.
        codes: [J] (instruction, demos) arms of every code; (arm, -1) or (-1, arm) for main effects.
        variances: [J] v.
        tau2: Variance of the examples' easiness.
        low, high: What score 0 and 1 of the model are in the metric's units.
    """

    groups: list[Ints]
    codes: list[list[tuple[int, int]]]
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

    def covariance(self) -> Floats:
        """cov f [C, C]."""
        found: Floats = lu_solve(self.system, self.kernel, trans=1).T
        return (found + found.T) / 2

    def score(self, values: Floats) -> Floats:
        """The mean score over all examples there could be, in the metric's units, of f = `values`."""
        easiness = np.sqrt(self.tau2) * NODES
        mean = expit(values[..., None] + easiness) @ WEIGHTS / WEIGHTS.sum()
        return np.asarray(self.low + (self.high - self.low) * mean)

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Floats, list[Floats]]:
        """`n` joint draws: (f [C, n], effects [J][codes, n] of the arms that were seen), by Matheron's rule."""
        prior = [
            np.sqrt(variance) * rng.standard_normal((len(codes), n))
            for variance, codes in zip(self.variances, self.codes, strict=True)
        ]
        start = np.sqrt(INTERCEPT) * rng.standard_normal(n) + sum(
            effects[group] for effects, group in zip(prior, self.groups, strict=True)
        )
        root = np.sqrt(self.weights)
        easiness = self.weights.sum(0) + 1 / self.tau2
        noise = np.empty_like(start)
        for column in range(n):
            cells = root * rng.standard_normal(self.weights.shape)
            by_example = cells.sum(0) + rng.standard_normal(len(easiness)) / np.sqrt(self.tau2)
            noise[:, column] = cells.sum(1) - self.weights @ (by_example / easiness)
        pull = lu_solve(self.system, self.target[:, None] - self._information(start) + noise)
        drawn = start + self.kernel @ pull
        effects = [
            before + variance * _sum_by(group, pull, len(before))
            for before, variance, group in zip(prior, self.variances, self.groups, strict=True)
        ]
        return drawn, effects

    def _information(self, values: Floats) -> Floats:
        easiness = self.weights.sum(0) + 1 / self.tau2
        found = self.weights.sum(1)[:, None] * values - self.weights @ (self.weights.T @ values / easiness[:, None])
        return np.asarray(found)


def table_of(rows: Sequence[Mapping[str, float]]) -> tuple[Floats, float, float]:
    """(y [C, E] with NaN where there is no cell, low, high): scores outside [0, 1] are rescaled by their range."""
    names: dict[str, int] = {}
    for row in rows:
        for name in row:
            names.setdefault(name, len(names))
    table = np.full((len(rows), len(names)), np.nan)
    for index, row in enumerate(rows):
        table[index, [names[name] for name in row]] = list(row.values())
    low, high = 0.0, 1.0
    if table.size and not np.isnan(table).all():
        least, most = float(np.nanmin(table)), float(np.nanmax(table))
        if least < 0 or most > 1:
            low, high = least, most if most > least else least + 1
    return (table - low) / (high - low), low, high


def fit(candidates: Sequence[Candidate], rows: Sequence[Mapping[str, float]], rounds: int = 8) -> Posterior | None:
    """The posterior after `rows[c]` = scores of candidate c by example; None when there is no cell at all."""
    table, low, high = table_of(rows)
    if table.size == 0 or np.isnan(table).all():
        return None
    groups, codes, kinds = _families(candidates)
    grams = [(group[:, None] == group[None, :]).astype(float) for group in groups]
    start = np.array([PRIOR[kind] for kind in kinds])
    if len(candidates) > 150:
        rounds = min(rounds, 4)
    return _newton(_Model(table, groups, codes, grams, start, low, high), rounds)


@dataclass(frozen=True, eq=False)
class _Model:
    table: Floats
    groups: list[Ints]
    codes: list[list[tuple[int, int]]]
    grams: list[Floats]
    start: Floats
    low: float
    high: float


def _newton(model: _Model, rounds: int) -> Posterior:
    """Alternate one Newton step with one step of the variances."""
    mask = ~np.isnan(model.table)
    scores = np.where(mask, model.table, 0.0)
    n, _ = model.table.shape
    variances, tau2, phi = model.start.copy(), PRIOR["example"], 1.0
    f = np.full(n, float(logit(np.clip(scores.sum() / mask.sum(), 0.02, 0.98))))
    easiness = np.zeros(model.table.shape[1])
    for last in [False] * (rounds - 1) + [True]:
        kernel = INTERCEPT + sum(v * gram for v, gram in zip(variances, model.grams, strict=True))
        shape = f[:, None] + easiness
        chance = expit(shape)
        weights = mask * np.maximum(chance * (1 - chance), 1e-4) / phi
        pulled = weights * shape + mask * (scores - chance) / phi
        inner = weights.sum(0) + 1 / tau2
        information = np.diag(weights.sum(1)) - (weights / inner) @ weights.T
        target = pulled.sum(1) - weights @ (pulled.sum(0) / inner)
        system = lu_factor(np.eye(n) + information @ kernel, check_finite=False)
        pull = lu_solve(system, target, check_finite=False)
        f = kernel @ pull
        easiness = (pulled.sum(0) - weights.T @ f) / inner
        if last:
            break
        variances = _variances(model, variances, pull, lu_solve(system, information, check_finite=False))
        # Examples that are not settled by the data keep their prior's share of the variance.
        spare = float((1 / inner).sum())
        tau2 = (float(easiness @ easiness) + spare + NU * PRIOR["example"]) / (len(easiness) + NU)
        phi = _dispersion(scores, expit(f[:, None] + easiness), mask, len(easiness))
    return Posterior(
        model.groups,
        model.codes,
        variances,
        tau2,
        phi,
        model.low,
        model.high,
        kernel,
        weights,
        target,
        system,
        f,
    )


def _variances(model: _Model, variances: Floats, pull: Floats, precision: Floats) -> Floats:
    found = variances.copy()
    for j, (group, gram) in enumerate(zip(model.groups, model.grams, strict=True)):
        effects = variances[j] * _sum_by(group, pull[:, None], len(model.codes[j]))
        known = variances[j] * float((gram * precision).sum())
        found[j] = (float((effects**2).sum()) + NU * model.start[j]) / (max(known, 0.0) + NU)
    return found


def _dispersion(scores: Floats, chance: Floats, mask: NDArray[np.bool_], n_examples: int) -> float:
    """Pearson's: how much the cells scatter, as a share of what coins would."""
    residual = ((scores - chance) ** 2 / np.maximum(chance * (1 - chance), 1e-3))[mask]
    cells = int(mask.sum())
    freedom = max(cells - min(n_examples, cells / 2), 1.0)
    pseudo = 40.0  # cells that say 1, so that the first dozen does not decide
    return float(np.clip((residual.sum() + pseudo) / (freedom + pseudo), *DISPERSION))


def _families(candidates: Sequence[Candidate]) -> tuple[list[Ints], list[list[tuple[int, int]]], list[str]]:
    """(groups, codes, kind) of every family: instruction, demos and pair of each predictor, then the own effects."""
    groups, codes, kinds = [], [], []
    for predictor in range(len(candidates[0].choices)):
        chosen = [candidate.choices[predictor] for candidate in candidates]
        for kind, keys in (
            ("instruction", [(instruction, -1) for instruction, _ in chosen]),
            ("demos", [(-1, demos) for _, demos in chosen]),
            ("pair", chosen),
        ):
            index = {key: code for code, key in enumerate(dict.fromkeys(keys))}
            groups.append(np.array([index[key] for key in keys]))
            codes.append(list(index))
            kinds.append(kind)
    groups.append(np.arange(len(candidates)))
    codes.append([(-1, -1)] * len(candidates))
    kinds.append("own")
    return groups, codes, kinds


def _sum_by(group: Ints, values: Floats, n: int) -> Floats:
    """Sums of the rows of `values` [C, k] by group: [n, k]."""
    found = np.zeros((n, values.shape[1]))
    np.add.at(found, group, values)
    return found
