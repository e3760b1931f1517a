"""Damped Newton steps to the mode of the item-response model, its scales being known.

Notation and shapes as in `surrogates.laplace`. The log posterior of f = m + K a and t,
    L(a, t) = sum (y s - log(1 + exp(s))) / phi - a' K a / 2 - t' t / (2 tau2),      s = f[c] + t[e] at the cells,
is concave; m [C] is what is expected of f before any cell. Where many scores are 0 or 1 a whole Newton step
overshoots, and the next one further; each step is therefore halved until L rises by a fair share of what its slope
promises, and then the mode is always reached (Boyd and Vandenberghe, Convex Optimization, section 9.5).
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.linalg import LinAlgError, lu_factor, lu_solve, solve
from scipy.special import expit

from mipro_studio.optimizer_core.search.surrogates.posterior import (
    Cells,
    Family,
    Floats,
    Ints,
    Posterior,
    Scales,
    expected,
)

__all__ = ["Model", "Point", "Quadratic", "around_one_value", "to_the_mode"]

CLOSE = 1e-7
"""The mode is found where a step changes no cell's s by more than this (logit)."""
SAFE = 0.5
"""Steps that change no s by more are whole: the curvature of L changes by less than exp(SAFE) on the way, so that a
whole step gains at least (1 - exp(SAFE) / 2) of its slope."""
MOST_STEPS = 60
MOST_HALVINGS = 40
MOST_CORRECTIONS = 25
FAIR = 0.1
"""Least rise of L, as a share of what the slope promises."""


@dataclass(frozen=True, eq=False)
class Model:
    """The cells and what is assumed of them; `kernel` [C, C] is K of the families' variances."""

    families: list[Family]
    cells: Cells
    scales: Scales
    kernel: Floats

    @cached_property
    def expected(self) -> Floats | None:
        """m [C]; None where it is 0."""
        return expected(self.families)

    def beyond(self, f: Floats) -> Floats:
        """[C] f - m = K a."""
        return f if self.expected is None else f - self.expected

    def expand(self, point: "Point", *, bound: bool = False) -> "Quadratic":
        """The quadratic around `point`; `bound` takes the largest curvature there is: no step overshoots then."""
        cells, phi = self.cells, self.scales.dispersion
        shape = point.shape(cells)
        chance = expit(shape)
        weights = (np.full(len(shape), 0.25) if bound else chance * (1 - chance)) / phi
        pulled = weights * (shape - cells.offset) + (cells.score - chance) / phi
        table = cells.spread_out(weights)
        inner = cells.by_column(weights) + 1 / self.scales.tau2
        target = cells.by_row(pulled) - table @ (cells.by_column(pulled) / inner)
        found = Quadratic(weights, pulled, table, inner, target)
        return found if self.expected is None else replace(found, target=target - found.times(self.expected))

    def step(self, around: "Quadratic", pull: Floats) -> "Point":
        """The maximum of a quadratic; `pull` is its a."""
        f = self.kernel @ pull
        f = f if self.expected is None else f + self.expected
        told = self.cells.by_column(around.pulled) - self.cells.by_column(around.weights * f[self.cells.row])
        return Point(f, np.asarray(told / around.inner), pull)

    def damped(self, start: "Point", end: "Point") -> "tuple[Point, float]":
        """As much of the Newton step from `start` to `end` as is safe, and the largest change it makes to an s."""
        before, after = start.shape(self.cells), end.shape(self.cells)
        change = float(np.abs(after - before).max())
        if change <= SAFE:
            return end, change
        line = _Line(self, start, end)
        share = 1.0
        for _ in range(MOST_HALVINGS):
            if line.rise(share) >= FAIR * share * line.slope:
                return line.at(share), change
            share /= 2
        return start, change

    def pull_at(self, point: "Point") -> Floats:
        """a [C] at `point`."""
        if point.pull is not None:
            return point.pull
        return np.asarray(solve(self.kernel, self.beyond(point.f), assume_a="pos", check_finite=False))


class _Line:
    """L between two points.

    The likelihood depends on s, which moves by `change`; the prior's part of L falls by a quadratic of the share.
    """

    def __init__(self, model: Model, start: "Point", end: "Point") -> None:
        cells, scales = model.cells, model.scales
        self._score, self._phi = cells.score, scales.dispersion
        self._start, self._pull = start, model.pull_at(start)
        self._f, self._t, self._a = end.f - start.f, end.easiness - start.easiness, model.pull_at(end) - self._pull
        self._shape, self._change = start.shape(cells), end.shape(cells) - start.shape(cells)
        self._linear = float(self._pull @ self._f) + float(start.easiness @ self._t) / scales.tau2
        self._square = float(self._a @ self._f) + float(self._t @ self._t) / scales.tau2
        self._told = self._likelihood(0.0)
        self.slope = float((self._score - expit(self._shape)) @ self._change) / self._phi - self._linear

    def _likelihood(self, share: float) -> float:
        shape = self._shape + share * self._change
        return float((self._score * shape - np.logaddexp(0.0, shape)).sum()) / self._phi

    def rise(self, share: float) -> float:
        """L at that share of the step, minus L at the start."""
        return self._likelihood(share) - self._told - share * self._linear - share**2 * self._square / 2

    def at(self, share: float) -> "Point":
        start = self._start
        return Point(start.f + share * self._f, start.easiness + share * self._t, self._pull + share * self._a)


@dataclass(frozen=True, eq=False)
class Point:
    """Where the search stands: f [C] and t [E], and a [C] where it is known."""

    f: Floats
    easiness: Floats
    pull: Floats | None = None

    def shape(self, cells: Cells) -> Floats:
        """[N] s."""
        return np.asarray(self.f[cells.row] + self.easiness[cells.column] + cells.offset)


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The cells' evidence around one point, as a quadratic.

    Attributes:
        weights, pulled: [N] W, and W s + (y - p) / phi, at the cells.
        table: [C, E] W.
        inner: [E] the diagonal of Q.
        target: [C] b, less S m.
    """

    weights: Floats
    pulled: Floats
    table: Floats
    inner: Floats
    target: Floats

    def information(self) -> Floats:
        """[C, C] S."""
        found = (self.table / -self.inner) @ self.table.T
        found[np.diag_indices(len(found))] += self.table.sum(1)
        return np.asarray(found)

    def times(self, f: Floats) -> Floats:
        """[C] S f."""
        return np.asarray(self.table.sum(1) * f - self.table @ (self.table.T @ f / self.inner))

    def system(self, kernel: Floats) -> tuple[Floats, Ints]:
        """LU factors of I + S K. S is a diagonal and one outer product an example, so it is multiplied in parts."""
        product = self.table.sum(1)[:, None] * kernel - (self.table / self.inner) @ (self.table.T @ kernel)
        product[np.diag_indices(len(product))] += 1
        return lu_factor(product, overwrite_a=True, check_finite=False)  # type: ignore[no-any-return]


def to_the_mode(model: Model, start: Point) -> Posterior:
    """The posterior around the mode, searched from `start`.

    Raises:
        LinAlgError: the mode was not found.
    """
    point = start
    for _ in range(MOST_STEPS):
        around = model.expand(point)
        system = around.system(model.kernel)
        pull = lu_solve(system, around.target, check_finite=False)
        point, change = model.damped(point, model.step(around, pull))
        if change <= SAFE:
            found = _corrected(model, around, system, point, pull)
            if found is not None:
                return found
    raise LinAlgError("The mode of the item-response model was not found.")


def _corrected(
    model: Model, around: Quadratic, system: tuple[Floats, Ints], point: Point, pull: Floats
) -> Posterior | None:
    """The posterior with the curvature of a quadratic near the mode and the mode itself, in steps that need no new
    factors; None when they do not lead there."""
    cells, scales = model.cells, model.scales
    for _ in range(MOST_CORRECTIONS):
        residual = (cells.score - expit(point.shape(cells))) / scales.dispersion
        slope_f, slope_t = cells.by_row(residual) - pull, cells.by_column(residual) - point.easiness / scales.tau2
        more = lu_solve(system, slope_f - around.table @ (slope_t / around.inner), check_finite=False)
        f = model.kernel @ more
        easiness = (slope_t - cells.by_column(around.weights * f[cells.row])) / around.inner
        pull, point = pull + more, Point(point.f + f, point.easiness + easiness)
        if np.abs(f[cells.row] + easiness[cells.column]).max() <= CLOSE:
            return _posterior(model, around, system, point, pull)
    return None


def around_one_value(model: Model, f: float) -> Posterior:
    """Shrunken means: the maximum of one quadratic around the same `f` everywhere. Nothing has to converge."""
    start = Point(np.full(model.cells.n_rows, f), np.zeros(model.cells.n_columns))
    around = model.expand(start, bound=True)
    system = around.system(model.kernel)
    pull = lu_solve(system, around.target, check_finite=False)
    return _posterior(model, around, system, model.step(around, pull), pull)


def _posterior(model: Model, around: Quadratic, system: tuple[Floats, Ints], mode: Point, pull: Floats) -> Posterior:
    told = pull + around.times(model.beyond(mode.f))
    facts = (model.families, model.cells, model.scales, model.kernel)
    return Posterior(*facts, around.weights, told, system, mode.f, mode.easiness, pull)
