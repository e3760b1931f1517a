"""The posterior of the item-response model: what is known of every candidate's score, and draws of it.

The model, its notation and its fit are in `surrogates.laplace`; here is what comes out of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lu_solve
from scipy.special import expit
from threadpoolctl import ThreadpoolController

__all__ = [
    "BLAS",
    "MAIN",
    "MEAN",
    "OWN",
    "PAIR",
    "Cells",
    "Family",
    "Floats",
    "Ints",
    "Posterior",
    "Scales",
    "expected",
    "sum_by",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAIN, PAIR = "main", "pair"
OWN, MEAN = "own", "mean"

BLAS = ThreadpoolController()
"""The matrices are small, and the other cores belong to the evaluations."""
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(15)


@dataclass(frozen=True, eq=False)
class Family:
    """Effects that share a variance.

    Attributes:
        effect: `MAIN` (of one kind of arm), `PAIR` (of two kinds of one owner), `OWN` (each candidate's) or `MEAN`
            (mu, which all share).
        place: The owner's place in a candidate; `WHOLE` for the program's, and where there is no owner.
        letters: The kinds, by their first letters.
        codes: What the effects belong to: an arm of each of these kinds.
        group: [C] Which of `codes` each candidate has, by position.
        basis: [codes, D] What the effects are linear in, where they are a feature's: effect = basis w, w ~ N(m, v).
            None: each is its own. Codes may be of arms that no candidate has.
        mean: m, what is thought of the weights.
        by_row: The feature differs from row to row: its mean is the slope that the cells show within candidates.
        mean_sd, mean_before: Families with an sd have one m between them, a normal of which this is the prior.
    """

    effect: str
    place: int
    letters: str
    codes: list[tuple[int, ...]]
    group: Ints
    basis: Floats | None = None
    mean: float = 0.0
    by_row: bool = False
    mean_sd: float = 0.0
    mean_before: float = 0.0

    @property
    def before(self) -> Floats:
        """[codes] The effects that are expected before any cell."""
        return np.zeros(len(self.codes)) if self.basis is None else self.mean * self.basis.sum(1)

    @property
    def gram(self) -> Floats:
        """[C, C] G: the covariance of the candidates' effects at variance 1."""
        if self.basis is None:
            return np.asarray(self.group[:, None] == self.group[None, :], dtype=np.float64)
        return np.asarray((self.basis @ self.basis.T)[self.group].take(self.group, axis=1))

    @property
    def n_weights(self) -> int:
        return len(self.codes) if self.basis is None else self.basis.shape[1]

    def gathered(self, values: Floats) -> Floats:
        """[weights, k]: what `values` [C, k] of the candidates are to the weights."""
        found = sum_by(self.group, values, len(self.codes))
        return found if self.basis is None else np.asarray(self.basis.T @ found)

    def effects(self, weights: Floats) -> Floats:
        """[codes, k] the effects of `weights` [weights, k]."""
        return weights if self.basis is None else np.asarray(self.basis @ weights)


@dataclass(frozen=True, eq=False)
class Cells:
    """The N cells with a score: which candidate, which example, and the score on a scale from 0 to 1.

    Attributes:
        low, high: What 0 and 1 are in the metric's units.
        within: [N, R] features of arms that differ from row to row, beyond what they are on average.
        slopes: [R] what one of each adds to f.
    """

    row: Ints
    column: Ints
    score: Floats
    n_rows: int
    n_columns: int
    low: float
    high: float
    within: Floats
    slopes: Floats

    @property
    def offset(self) -> Floats:
        """[N] what the rows' own features add."""
        return self.within @ self.slopes

    def by_row(self, values: Floats) -> Floats:
        """[C] sums of one value a cell."""
        return np.bincount(self.row, values, self.n_rows).astype(float)

    def by_column(self, values: Floats) -> Floats:
        """[E] sums of one value a cell."""
        return np.bincount(self.column, values, self.n_columns).astype(float)

    def spread_out(self, values: Floats) -> Floats:
        """[C, E] one value a cell, 0 where there is none."""
        table = np.zeros((self.n_rows, self.n_columns))
        table[self.row, self.column] = values
        return table


@dataclass(frozen=True, eq=False)
class Scales:
    """Variances of the families [J] and of the examples, and the dispersion."""

    variances: Floats
    tau2: float
    dispersion: float


@dataclass(frozen=True, eq=False)
class Posterior:
    """Gaussian posterior of f over the candidates that were seen, and of every effect.

    Attributes:
        kernel: [C, C] K.
        weights: [N] W at the cells.
        target: [C] b.
        system: LU factors of I + S K.
        mode: [C] f.
        easiness: [E] t at the mode.
        pull: [C] a.
        converged: The mode was found. Where it was not, this is a linear model's posterior: shrunken means.
    """

    families: list[Family]
    cells: Cells
    scales: Scales
    kernel: Floats
    weights: Floats
    target: Floats
    system: tuple[Floats, Ints]
    mode: Floats
    easiness: Floats
    pull: Floats
    converged: bool = True

    def covariance(self) -> Floats:
        """cov f [C, C]."""
        with BLAS.limit(limits=1):
            found: Floats = lu_solve(self.system, self.kernel, trans=1, check_finite=False).T
        return (found + found.T) / 2

    def score(self, values: Floats) -> Floats:
        """The mean score over all examples there could be, in the metric's units, of f = `values`."""
        easiness = np.sqrt(self.scales.tau2) * NODES
        mean = expit(values[..., None] + easiness) @ WEIGHTS / WEIGHTS.sum()
        return np.asarray(self.cells.low + (self.cells.high - self.cells.low) * mean)

    def draw(self, rng: np.random.Generator, n: int, heat: float = 1.0) -> tuple[Floats, list[Floats]]:
        """`n` joint draws: (f [C, n], effects [J][codes, n]), by Matheron's rule.

        Args:
            heat: Scale of the spread around the mode: 1 draws from the posterior, 0 gives the mode n times.
        """
        with BLAS.limit(limits=1):
            return self._draw(rng, n, heat)

    def _draw(self, rng: np.random.Generator, n: int, heat: float) -> tuple[Floats, list[Floats]]:
        prior = [
            family.effects(np.sqrt(variance) * rng.standard_normal((family.n_weights, n)))
            for variance, family in zip(self.scales.variances, self.families, strict=True)
        ]
        start = _sum_families(self.families, prior)
        weights = self.cells.spread_out(self.weights)
        inner = weights.sum(0) + 1 / self.scales.tau2
        noise = self._noise(rng, n, weights, inner)
        known = weights.sum(1)[:, None] * start - weights @ (weights.T @ start / inner[:, None])
        pull = lu_solve(self.system, self.target[:, None] - known + noise, check_finite=False)
        effects = []
        for before, variance, family in zip(prior, self.scales.variances, self.families, strict=True):
            centre = variance * family.effects(family.gathered(self.pull[:, None]))
            if heat == 0:
                effects.append(np.repeat(centre, n, axis=1))
                continue
            drawn = before + variance * family.effects(family.gathered(pull))
            effects.append(centre + heat * (drawn - centre))
        effects = [
            found if family.mean == 0 else found + family.before[:, None]
            for family, found in zip(self.families, effects, strict=True)
        ]
        return _sum_families(self.families, effects), effects

    def _noise(self, rng: np.random.Generator, n: int, weights: Floats, inner: Floats) -> Floats:
        """[C, n] draws with covariance S: what the cells would scatter b by."""
        root = np.sqrt(self.weights)
        found = np.empty((self.cells.n_rows, n))
        for column in range(n):
            scatter = root * rng.standard_normal(len(root))
            easiness = rng.standard_normal(len(inner)) / np.sqrt(self.scales.tau2)
            found[:, column] = self.cells.by_row(scatter) - weights @ (
                (self.cells.by_column(scatter) + easiness) / inner
            )
        return found


def expected(families: Sequence[Family]) -> Floats | None:
    """m [C], the mean of f before any cell; None where it is 0."""
    told = [family.before[family.group] for family in families if family.mean]
    return np.asarray(sum(told)) if told else None


def _sum_families(families: Sequence[Family], effects: Sequence[Floats]) -> Floats:
    """f [C, n] of effects [J][codes, n]."""
    return np.asarray(sum(found[family.group] for found, family in zip(effects, families, strict=True)))


def sum_by(group: Ints, values: Floats, n: int) -> Floats:
    """Sums of the rows of `values` [C, k] by group: [n, k]."""
    if values.shape[1] == 1:
        return np.bincount(group, values[:, 0], n).astype(float)[:, None]
    found = np.zeros((n, values.shape[1]))
    np.add.at(found, group, values)
    return found
