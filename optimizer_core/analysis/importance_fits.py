"""The ridge fits behind importance: a term's effects are of its arms, or of what is in its arms."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "Ints", "RidgeFits", "Term"]

RIDGE, RIDGE_ALONE = 1.0, 0.2
"""Average candidates' worth of cells that pull every effect towards 0. A parameter alone leaves more to go by."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Term:
    """One bar. `codes` are its arms, pairs of them for interactions; `group` [C] is each candidate's.

    Attributes:
        basis: [codes, D] What is in the arms, for a feature: its effects are of the columns. None: of the codes.
    """

    predictor: str
    kind: str
    codes: list[Any]
    group: Ints
    basis: Floats | None = None

    @property
    def n_effects(self) -> int:
        return len(self.codes) if self.basis is None else self.basis.shape[1]

    @property
    def design(self) -> Floats:
        """[C, effects] what each candidate has of every effect."""
        if self.basis is None:
            return np.asarray(self.group[:, None] == np.arange(len(self.codes)), dtype=float)
        return np.asarray(self.basis[self.group])

    def spread(self, effects: Floats, weights: Floats) -> Floats:
        """Weighted standard deviation over the cells of `effects` [effects, n]: [n]."""
        of_candidate = effects[self.group] if self.basis is None else self.basis[self.group] @ effects
        share = (weights / weights.sum())[:, None]
        middle = (share * of_candidate).sum(0)
        return np.asarray(np.sqrt((share * (of_candidate - middle) ** 2).sum(0)))


class RidgeFits:
    """The fits, which depend on the candidates alone, so that every shuffle is one product of matrices.

    Terms come in this order everywhere: parameters, interactions, features.
    """

    def __init__(
        self, mains: Sequence[Term], pairs: Sequence[Term], features: Sequence[Term], weights: Floats
    ) -> None:
        self._mains, self._pairs, self._features, self.weights = mains, pairs, features, weights
        self._main_fit, self._pair_fit, self._feature_fit = (_ridge(one, weights) for one in (mains, pairs, features))
        self._own_fits = [_ridge([one], weights, RIDGE_ALONE) for one in features]

    def alone(self, residuals: Floats) -> Floats:
        """[J, n] spreads of residuals [C, n] when a term is fitted as if there were no other; interactions are fitted
        to what the parameters leave over, as they always are."""
        centred = self.weights[:, None] * self._centred(residuals)
        pull = RIDGE_ALONE * self.weights.mean()
        found = []
        for term in self._mains:
            design = term.design
            effects = design.T @ centred / (design.T @ self.weights + pull)[:, None]
            found.append(term.spread(effects, self.weights))
        pairs = self.of_pairs(self.left_over(residuals))[0]
        own = [
            term.spread(fit @ self._centred(residuals), self.weights)
            for term, fit in zip(self._features, self._own_fits, strict=True)
        ]
        return np.vstack([*found, pairs, *own])

    def left_over(self, residuals: Floats) -> Floats:
        """[C] or [C, n] what the parameters do not explain."""
        effects = self._main_fit @ self._centred(residuals)
        return np.asarray(self._centred(residuals) - _design(self._mains) @ effects)

    def of_pairs(self, residuals: Floats) -> tuple[Floats, list[Floats]]:
        """(spreads [pairs, n], effects by term) of residuals [C, n], of what the parameters left over."""
        return self._apply(self._pairs, self._pair_fit, residuals)

    def beside_pairs(self, residuals: Floats) -> tuple[Floats, Floats]:
        """(spreads [parameters, n], spreads [features, n]) of residuals [C, n]."""
        mains = self._apply(self._mains, self._main_fit, residuals)[0]
        return mains, self._apply(self._features, self._feature_fit, residuals)[0]

    def spreads(self, residuals: Floats) -> tuple[Floats, list[Floats]]:
        """(spreads [J, n], effects by term [effects, n]) of residuals [C, n]; the features in a fit of their own."""
        told = [
            self._apply(self._mains, self._main_fit, residuals),
            self.of_pairs(self.left_over(residuals)),
            self._apply(self._features, self._feature_fit, residuals),
        ]
        return np.vstack([spreads for spreads, _ in told]), [one for _, effects in told for one in effects]

    def _centred(self, residuals: Floats) -> Floats:
        return np.asarray(residuals - np.average(residuals, axis=0, weights=self.weights))

    def _apply(self, terms: Sequence[Term], fit: Floats, residuals: Floats) -> tuple[Floats, list[Floats]]:
        if not terms:
            return np.empty((0, residuals.shape[1])), []
        effects = np.split(fit @ self._centred(residuals), np.cumsum([term.n_effects for term in terms])[:-1])
        spreads = [term.spread(found, self.weights) for term, found in zip(terms, effects, strict=True)]
        return np.array(spreads), effects


def _design(terms: Sequence[Term]) -> Floats:
    """[C, effects of all terms]."""
    return np.hstack([term.design for term in terms])


def _ridge(terms: Sequence[Term], weights: Floats, ridge: float = RIDGE) -> Floats:
    """[effects, C] the matrix from residuals to effects."""
    if not terms:
        return np.empty((0, len(weights)))
    design = _design(terms)
    # In the candidates' space, which is smaller than that of the effects.
    inner = design @ design.T + ridge * np.diag(weights.mean() / weights)
    return np.asarray(np.linalg.solve(inner, design).T)
