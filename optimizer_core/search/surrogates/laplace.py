"""The item-response model of the score table: a Bayesian logistic model of every cell.

Notation and shapes. C candidates seen, E examples, N cells, J effect families.
    y [N]       scores in [0, 1]; the cell is of candidate c and example e
    logit E[y[c, e]] = f[c] + t[e],    t[e] ~ N(0, tau2)                      t: how easy the example is
    f[c] = mu + sum_o (sum_k main[o, k, arm] + sum_k<l pair[o, k, l, arms]) + own[c]
where o are the owners (predictors, and the program as a whole) and k, l the kinds of arms that the candidates differ
in. All effects are independent normals with one variance for each family j (each kind of each owner, each pair of its
kinds; the candidates' own), so that f ~ N(m, K),  K = sum_j v[j] G[j],  G[j][c, c'] = 1 where c and c' share the
effect (everywhere for mu), and m = 0 but for what an earlier run said of the arms: m = r x, with x [C] that and r how
much of it holds here. The effects themselves are never formed in the fit: the posterior lives on the C candidates,
whatever the number of arms.

Fit: damped Newton steps to the mode (Laplace, `surrogates.newton`). W [C, E] are the weights p (1 - p) / phi of the
cells; phi is the dispersion (below 1 for graded scores, which scatter less than coins). With t integrated out,
    S = diag(W 1) - W Q^-1 W',  Q = diag(1' W + 1 / tau2),     a = (I + S K)^-1 b,  f = m + K a,
    cov f = K (I + S K)^-1.
The variances are empirical Bayes: v <- (|u|^2 + NU v0) / (g + NU) with u the effects at the mode, g = v tr(G M) the
number of effects that the data determine, M = (I + S K)^-1 S. With f integrated out the mode of r ~ N(r0, s2) is
r <- r + (x' a - (r - r0) / s2) / (x' M x + 1 / s2).
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from types import MappingProxyType

import numpy as np
from scipy.linalg import LinAlgError, lu_solve
from scipy.special import expit, logit

from mipro_studio.optimizer_core.parameters.arm_features import Features
from mipro_studio.optimizer_core.search.surrogates.effects import (
    Choices,
    arms_of,
    choices_of,
    families_of,
    kernel_of,
    positions,
)
from mipro_studio.optimizer_core.search.surrogates.newton import Model, Point, around_one_value, to_the_mode
from mipro_studio.optimizer_core.search.surrogates.posterior import (
    BLAS,
    MAIN,
    MEAN,
    OWN,
    PAIR,
    Cells,
    Family,
    Floats,
    Ints,
    Posterior,
    Scales,
)
from mipro_studio.optimizer_core.types import Candidate

__all__ = ["PRIOR", "fit"]

logger = logging.getLogger(__name__)

PRIOR = {"feature": 0.05, MAIN: 0.15, PAIR: 0.08, OWN: 0.03, MEAN: 2.0, "example": 1.0, "slope": 1.0}
"""Where the variances start, and where they stay while there is little data (logit squared); mu's stays for good."""
NU = 3.0
"""How many effects' worth of data the start counts for."""
NOTHING = np.zeros((0, 0)), np.zeros(0)
DISPERSION = (0.03, 1.3)
COINS = 40.0
"""Cells that count as coins, so that the first dozen does not decide the dispersion."""
ROUNDS = 8
NU_FINAL, ROUNDS_FINAL = 0.5, 30
"""The same when the question is not what to try next but what is true: the data decide, and are given the time to."""
MANY = 120
"""The scales are learned from at most this many candidates, those with the most cells."""


def fit(
    candidates: Sequence[Candidate],
    rows: Sequence[Mapping[str, float]],
    *,
    final: bool = False,
    features: Features = MappingProxyType({}),
) -> Posterior | None:
    """The posterior after `rows[c]` = scores of candidate c by example; None when there is no cell at all.

    Scores outside [0, 1] are rescaled by their range.

    Args:
        final: Learn the variances from the data with little weight on where they start. Slower, and for a search
            too ready to believe that nothing matters.
        features: What is in the arms, by (owner's place, kind); arms that are not in it have the mean effect.
    """
    nu, rounds = (NU_FINAL, ROUNDS_FINAL) if final else (NU, ROUNDS)
    cells, names = _cells(rows)
    if not len(cells.score):
        return None
    choices = choices_of(candidates)
    within = _within(cells, names, choices, features)
    cells = replace(cells, within=within, slopes=np.zeros(within.shape[1]))
    families = families_of(choices, features)
    with BLAS.limit(limits=1):
        try:
            return _fit(choices, families, cells, (nu, rounds), features)
        except LinAlgError as failure:
            logger.warning("%s Shrunken means are used instead.", failure)
            scales = _start(families)
            model = Model(families, cells, scales, kernel_of(families, scales))
            return replace(around_one_value(model, _flat(cells)), converged=False)


def _fit(
    choices: Choices,
    families: list[Family],
    cells: Cells,
    how: tuple[float, int],
    features: Features,
) -> Posterior:
    if cells.n_rows <= MANY:
        return to_the_mode(*_learn(families, cells, *how))
    counts = np.bincount(cells.row, minlength=cells.n_rows)
    richest = np.sort(np.argsort(-counts, kind="stable")[:MANY])
    of_richest = {slot: arms[richest] for slot, arms in choices.items()}
    part, point = _learn(families_of(of_richest, features), _only(cells, richest), *how)
    families = [replace(one, mean=learned.mean) for one, learned in zip(families, part.families, strict=True)]
    cells = replace(cells, slopes=part.cells.slopes)
    model = Model(families, cells, part.scales, kernel_of(families, part.scales))
    pull = np.zeros(cells.n_rows)
    pull[richest] = part.pull_at(point)
    f = model.kernel @ pull
    return to_the_mode(model, Point(f if model.expected is None else f + model.expected, point.easiness, pull))


def _cells(rows: Sequence[Mapping[str, float]]) -> tuple[Cells, list[str]]:
    """The cells, and the names of their columns."""
    told = list(chain.from_iterable(rows))
    names = {name: index for index, name in enumerate(dict.fromkeys(told))}
    where = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    columns = np.fromiter(map(names.__getitem__, told), np.int64, len(told))
    scores = np.fromiter(chain.from_iterable(row.values() for row in rows), float, len(told))
    low, high = 0.0, 1.0
    if len(scores) and (scores.min() < 0 or scores.max() > 1):
        low, high = float(scores.min()), float(scores.max())
        high = high if high > low else low + 1
    shares = (scores - low) / (high - low)
    return Cells(where, columns, shares, len(rows), len(names), low, high, *NOTHING), list(names)


def _only(cells: Cells, rows: Ints) -> Cells:
    place = np.full(cells.n_rows, -1)
    place[rows] = np.arange(len(rows))
    kept = place[cells.row] >= 0
    return Cells(
        place[cells.row[kept]],
        cells.column[kept],
        cells.score[kept],
        len(rows),
        cells.n_columns,
        cells.low,
        cells.high,
        cells.within[kept],
        cells.slopes,
    )


def _learn(families: list[Family], cells: Cells, nu: float, rounds: int) -> tuple[Model, Point]:
    """Damped Newton steps, each followed by one step of the scales."""
    grams = _grams(families)
    scales = _start(families)
    model = Model(families, cells, scales, _kernel(scales.variances, grams))
    point = Point(np.full(cells.n_rows, _flat(cells)), np.zeros(cells.n_columns))
    for _ in range(rounds - 1):
        around = model.expand(point)
        sides = np.column_stack((around.target, around.information()))
        solved = lu_solve(around.system(model.kernel), sides, check_finite=False)
        point, _ = model.damped(Point(point.f, point.easiness), model.step(around, solved[:, 0]))
        variances = _variances(families, grams, model.scales.variances, solved, nu)
        families = _with_shared_mean(families, solved)
        spread = float(point.easiness @ point.easiness) + float((1 / around.inner).sum())
        tau2 = (spread + NU * PRIOR["example"]) / (cells.n_columns + NU)
        scales = Scales(variances, tau2, _dispersion(cells, expit(point.shape(cells))))
        if len(cells.slopes):
            cells = replace(cells, slopes=_slopes(model, point))
            families = _with_slopes(families, cells.slopes)
        model = Model(families, cells, scales, _kernel(variances, grams))
    return model, Point(point.f, point.easiness)


def _within(cells: Cells, names: Sequence[str], choices: Choices, features: Features) -> Floats:
    """[N, R] what the features that differ from row to row are at the cells."""
    found = []
    for (place, kind), of_arms in features.items():
        for one in (feature for feature in of_arms if feature.by_row):
            nothing = np.zeros(len(one.arms))
            told = np.array([np.append(one.by_row.get(name, nothing), 0.0) for name in names])
            found.append(told[cells.column, positions(one.arms, arms_of(choices, place, kind))[cells.row]])
    return np.array(found, dtype=float).reshape(len(found), len(cells.row)).T


def _slopes(model: Model, point: Point) -> Floats:
    """One Newton step of the slopes, all else being as it is."""
    cells, phi = model.cells, model.scales.dispersion
    chance = expit(point.shape(cells))
    slope = cells.within.T @ (cells.score - chance) / phi - cells.slopes / PRIOR["slope"]
    curve = (cells.within.T * (chance * (1 - chance) / phi)) @ cells.within + np.eye(len(slope)) / PRIOR["slope"]
    return np.asarray(cells.slopes + np.clip(np.linalg.solve(curve, slope), -1.0, 1.0))


def _with_slopes(families: list[Family], slopes: Floats) -> list[Family]:
    """A feature that adds so much where it is more on a row adds as much where it is more on all."""
    left = iter(slopes.tolist())
    return [replace(one, mean=next(left)) if one.by_row else one for one in families]


def _with_shared_mean(families: list[Family], solved: Floats) -> list[Family]:
    """One step of r. `solved` [C, 1 + C] is a beside M."""
    told = [(one, one.basis.sum(1)[one.group]) for one in families if one.mean_sd and one.basis is not None]
    if not told:
        return families
    first, x = told[0][0], np.sum([column for _, column in told], axis=0)
    precision = 1 / first.mean_sd**2
    slope = float(x @ solved[:, 0]) - (first.mean - first.mean_before) * precision
    mean = first.mean + slope / (float(x @ solved[:, 1:] @ x) + precision)
    return [replace(one, mean=mean) if one.mean_sd else one for one in families]


def _start(families: Sequence[Family]) -> Scales:
    return Scales(np.array([PRIOR[_prior(family)] for family in families]), PRIOR["example"], 1.0)


def _flat(cells: Cells) -> float:
    """The mean of all cells as a logit."""
    return float(logit(np.clip(cells.score.mean(), 0.02, 0.98)))


def _grams(families: Sequence[Family]) -> Floats:
    """[J, C * C] G."""
    return np.array([family.gram.ravel() for family in families])


def _kernel(variances: Floats, grams: Floats) -> Floats:
    n = round(grams.shape[1] ** 0.5)
    return np.asarray((variances @ grams).reshape(n, n))


def _variances(families: Sequence[Family], grams: Floats, variances: Floats, solved: Floats, nu: float) -> Floats:
    """One step of empirical Bayes. `solved` [C, 1 + C] is a beside M."""
    determined = np.maximum(variances * (grams @ solved[:, 1:].ravel()), 0.0)
    found = variances.copy()
    for j, family in enumerate(families):
        if family.effect != MEAN:
            weights = variances[j] * family.gathered(solved[:, :1])
            found[j] = (float((weights**2).sum()) + nu * PRIOR[_prior(family)]) / (determined[j] + nu)
    return found


def _dispersion(cells: Cells, chance: Floats) -> float:
    """Pearson's: how much the cells scatter, as a share of what coins would."""
    squares = (cells.score - chance) ** 2 / np.maximum(chance * (1 - chance), 1e-3)
    n = len(cells.score)
    freedom = max(n - min(cells.n_columns, n / 2), 1.0)
    return float(np.clip((squares.sum() + COINS) / (freedom + COINS), *DISPERSION))


def _prior(family: Family) -> str:
    return family.effect if family.basis is None else "feature"
