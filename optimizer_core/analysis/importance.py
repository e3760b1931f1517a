"""Which parameter matters: how far the score moves with each choice, beside what pure noise would show.

Notation. Candidate c has w[c] cells; r[c] is its mean score after the examples' difficulty is taken out (least
squares of y[c, e] ~ r[c] + difficulty[e]), so that an easy minibatch flatters nobody; s2 is the variance of a cell
around that. A term is a parameter (one kind of arm of one owner), an interaction (two kinds of one owner, as a
predictor's instruction x demos), or a feature of arms, as which answers are in a demo set
(`parameters.arm_features`), whose effects are of its columns, in a fit of features alone. Main effects are the ridge
estimate in r ~ sum_p effect[p, arm of c], weighted by w; interactions that in what the main effects leave over. A
term's spread is the standard deviation of its effects over the cells.

Noise. The spreads are computed again for `SHUFFLES` tables in which the residuals, scaled to one variance by
sqrt(w), are dealt to other candidates: what is left when nothing matters. A term's excess is how many standard
deviations of the shuffles its spread is above their mean.

Two fits. Thirty trials have hardly more means than four parameters of six arms have effects, and the fit of all
together then spreads one parameter's effect over the others; so the order of the bars is that of fits of one
parameter at a time, which names the right one more often. But a race chooses the arms of several parameters together
and gives the lucky ones more cells, and such fits alone called something real in 32 of 40 races in which nothing
mattered. So a parameter's excess, where it is to be told from noise, is the smaller of the two fits'. A term is real
where that is larger than in shuffles by Westfall and Young's step of the smallest p-value (1993, algorithm 2.5): when
nothing matters, the chance that any term at all is called real is about `ERROR`.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mipro_studio.optimizer_core.analysis.importance_fits import Floats, Ints, RidgeFits, Term
from mipro_studio.optimizer_core.parameters.registry import KINDS, parameter_name
from mipro_studio.optimizer_core.parameters.space import Parameter, SearchSpace
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Candidate

__all__ = ["ERROR", "INTERACTION", "MIN_CANDIDATES", "importance"]

INTERACTION = " x "
"""Between the kinds of an interaction, in the `kind` of its row."""
MIN_CANDIDATES = 8
SHUFFLES = 999
ERROR = 0.03
"""Less than the 5 % of runs that is promised: what scored well gets more cells, and shuffles do not know that."""
LEVEL = 0.9
SWEEPS = 20
HAIR = 1e-6

WORDS = {
    (DEMOS, "answers"): "answers in demos",
    (DEMOS, "last"): "last answer in demos",
    (DEMOS, "rows"): "rows in demos",
    (INSTRUCTION, "lineage"): "lineage of instruction",
    (INSTRUCTION, "tip"): "tip of instruction",
    (INSTRUCTION, "text"): "words of instruction",
}
"""The features of arms that have a bar of their own, as their `kind` says them."""


def importance(scores: Mapping[str, Mapping[str, float]], space: SearchSpace, seed: int) -> list[dict[str, Any]]:
    """One mapping a term, those told from noise first, then the clearest; empty below `MIN_CANDIDATES` candidates.

    `scores` are by candidate and example, as `ScoreTable.scores` gives them; their order does not matter.

    Keys: parameter, predictor (the owner), kind (of interactions both), spread in score units, low and high (its
    interval at `level`, from cells drawn anew), null (the spread that a term needs to be called real at this number
    of cells; a parameter must stand out by itself too), p_value (corrected for the number of terms), real,
    n_candidates, n_cells, and arms [{arm, effect, mean, n_cells}], empty for interactions.
    """
    names = sorted(scores)  # the draws belong to places
    if len(names) < MIN_CANDIDATES or not space.parameters:
        return []
    rows_of = [dict(sorted(scores[name].items())) for name in names]
    residuals, weights, variance = _residuals(rows_of)
    values = [space.values(Candidate.parse(name)) for name in names]
    mains = [_main(values, parameter) for parameter in space.parameters]
    pairs = _pairs(space, values)
    features = _features(space, values)
    model = RidgeFits(mains, pairs, features, weights)
    rng = np.random.default_rng(derive_seed(seed, "importance"))
    spreads, effects = model.spreads(residuals[:, None])
    verdict = _beside_noise(model, residuals, rng)
    scatter = residuals[:, None] + np.sqrt(variance / weights)[:, None] * rng.standard_normal((len(names), 200))
    reach = 1.645 * model.spreads(scatter)[0].std(axis=1)
    rows = []
    for index, term in enumerate((*mains, *pairs, *features)):
        arms = _arms(term, effects[index][:, 0], rows_of) if index < len(mains) else []
        spread, half = float(spreads[index, 0]), float(reach[index])
        rows.append(
            {
                "parameter": parameter_name(term.predictor, term.kind),
                "predictor": term.predictor,
                "kind": term.kind,
                "spread": spread,
                "low": max(spread - half, 0.0),
                "high": spread + half,
                "level": LEVEL,
                "null": float(verdict.bands[index]),
                "p_value": float(verdict.p_values[index]),
                "real": bool(verdict.p_values[index] <= ERROR),
                "n_candidates": len(names),
                "n_cells": int(weights.sum()),
                "arms": arms,
            }
        )
    order = sorted(range(len(rows)), key=lambda index: (not rows[index]["real"], -verdict.clearness[index]))
    return [rows[index] for index in order]


@dataclass(frozen=True, eq=False)
class _Verdict:
    """Of every term [J]: the spread it needs to be real, its p-value, and by how much it stands out of its own noise.

    A term with more arms, or arms that were tried unevenly, has more noise; so spreads do not order terms.
    """

    bands: Floats
    p_values: Floats
    clearness: Floats


def _beside_noise(model: RidgeFits, residuals: Floats, rng: np.random.Generator) -> _Verdict:
    shuffles = rng.permuted(np.tile(np.arange(len(residuals)), (SHUFFLES, 1)), axis=1).T
    dealt = _dealt(residuals, model.weights, shuffles)
    dealt_rest = _dealt(model.left_over(residuals), model.weights, shuffles)
    null_mains, null_features = model.beside_pairs(dealt)
    null_pairs = model.of_pairs(dealt_rest)[0]
    null = np.vstack([null_mains, null_pairs, null_features])
    null_alone = model.alone(dealt)
    null_alone[len(null_mains) : len(null_mains) + len(null_pairs)] = null_pairs
    together = _excess(model.spreads(residuals[:, None])[0], null)
    alone = _excess(model.alone(residuals[:, None]), null_alone)
    smaller = np.minimum(together, alone)
    p_values, steps = _westfall_young(smaller[:, 0], np.minimum(_excess(null, null), _excess(null_alone, null_alone)))
    return _Verdict(null.mean(axis=1) + steps * null.std(axis=1), p_values, alone[:, 0])


def _dealt(residuals: Floats, weights: Floats, order: Ints) -> Floats:
    """[C, n] `residuals` dealt by `order` [C, n], scaled so that all have the variance of their new place."""
    root = np.sqrt(weights)
    centred = residuals - np.average(residuals, weights=weights)
    return np.asarray((centred * root)[order] / root[:, None])


def _excess(spreads: Floats, null: Floats) -> Floats:
    """`spreads` [J, n] in standard deviations of the shuffles [J, shuffles] from their mean."""
    return np.asarray((spreads - null.mean(axis=1)[:, None]) / np.maximum(null.std(axis=1), 1e-12)[:, None])


def _westfall_young(observed: Floats, null: Floats) -> tuple[Floats, Floats]:
    """(p-values corrected for the number of terms [J], excess from which each term is real [J])."""
    n = null.shape[1]
    # A hair, so that a shuffle that only swaps equals does not fall below what was observed by rounding.
    above = (null >= observed[:, None] - HAIR).sum(axis=1)
    alone = (1 + above) / (1 + n)
    ranks = n - np.array([np.searchsorted(np.sort(line), line - HAIR) for line in null])
    smallest = ((1 + ranks) / (1 + n)).min(axis=0)
    corrected = np.array([(1 + (smallest <= p).sum()) / (1 + n) for p in alone])
    share = float(np.quantile(smallest, ERROR))
    return corrected, np.quantile(null, 1 - share, axis=1)


def _residuals(scores: Sequence[Mapping[str, float]]) -> tuple[Floats, Floats, float]:
    """(r [C], w [C], s2)."""
    examples = {name: index for index, name in enumerate(dict.fromkeys(name for row in scores for name in row))}
    rows = np.repeat(np.arange(len(scores)), [len(row) for row in scores])
    columns = np.array([examples[name] for row in scores for name in row])
    y = np.array([score for row in scores for score in row.values()])
    weights = np.bincount(rows).astype(float)
    counts = np.bincount(columns)
    found = np.zeros(len(scores))
    difficulty = np.zeros(len(examples))
    for _ in range(SWEEPS):
        difficulty = np.bincount(columns, y - found[rows]) / counts
        found = np.bincount(rows, y - difficulty[columns]) / weights
    rest = y - found[rows] - difficulty[columns]
    freedom = max(len(y) - len(scores) - len(examples) + 1, 1)
    return found, weights, float(rest @ rest) / freedom


def _main(values: Sequence[Mapping[str, int]], parameter: Parameter) -> Term:
    """`values` are the candidates' arms by parameter."""
    chosen = [of_one[parameter.name] for of_one in values]
    codes = sorted(set(chosen))
    return Term(parameter.owner, parameter.kind, codes, np.array([codes.index(arm) for arm in chosen]))


def _pairs(space: SearchSpace, values: Sequence[Mapping[str, int]]) -> list[Term]:
    """The interactions of any two kinds that are searched of one owner."""
    terms = []
    for owner in dict.fromkeys(parameter.owner for parameter in space.parameters):
        own = [parameter for parameter in space.parameters if parameter.owner == owner and parameter.kind in KINDS]
        for pair in itertools.combinations(own, 2):
            chosen = [tuple(of_one[one.name] for one in pair) for of_one in values]
            codes = sorted(set(chosen))
            kinds = INTERACTION.join(one.kind for one in pair)
            terms.append(Term(owner, kinds, codes, np.array([codes.index(both) for both in chosen])))
    return terms


def _features(space: SearchSpace, values: Sequence[Mapping[str, int]]) -> list[Term]:
    """What is in the arms of every parameter, as far as the surrogate learns from it and people ask for it."""
    terms: list[Term] = []
    if not space.features:
        return terms
    for parameter in space.parameters:
        chosen = [of_one[parameter.name] for of_one in values]
        for feature in space.features.get((space.place(parameter.owner), parameter.kind), ()):
            if (parameter.kind, feature.name) in WORDS and set(chosen) <= set(feature.arms):
                codes = list(feature.arms)
                group = np.array([codes.index(arm) for arm in chosen])
                kind = WORDS[parameter.kind, feature.name]
                terms.append(Term(parameter.owner, kind, codes, group, feature.basis))
    return terms


def _arms(term: Term, effects: Floats, scores: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    """Effect and plain mean of every arm that was tried."""
    arms = []
    for code, arm in enumerate(term.codes):
        cells = [score for row, own in zip(scores, term.group, strict=True) if own == code for score in row.values()]
        mean = float(np.mean(cells))
        arms.append({"arm": arm, "effect": float(effects[code]), "mean": mean, "n_cells": len(cells)})
    return arms
