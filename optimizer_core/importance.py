"""Which parameter matters: main effects of predictor x kind on the score, beside what pure noise would show.

Notation: a candidate c has cells y[c, e] on examples e. Its residual r[c] is the mean over its cells of y[c, e]
minus the mean of example e over all candidates, so that easy minibatches do not flatter it; w[c] is its number of
cells. The effect of arm a of parameter p is the ridge estimate in r ~ sum_p effect[p, arm of c], weighted by w.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer_core.score_table import ScoreTable
from optimizer_core.seeds import derive_seed
from optimizer_core.space import SearchSpace
from optimizer_core.types import Candidate, Split

__all__ = ["MIN_CANDIDATES", "importance"]

MIN_CANDIDATES = 8
PERMUTATIONS = 200
NULL_LEVEL = 0.95
RIDGE = 1.0

Floats = NDArray[np.float64]


def importance(table: ScoreTable, space: SearchSpace, seed: int) -> list[dict[str, Any]]:
    """One mapping a parameter, largest first; empty below `MIN_CANDIDATES` candidates.

    Keys: parameter, predictor, kind, spread (weighted standard deviation of its arms' effects, in score units),
    null (what the largest spread of any parameter reaches in 95 % of shuffles of candidates, so that all
    parameters together are called real by mistake in 5 %), real (spread > null), n_candidates, n_cells, and arms
    [{arm, effect, mean, n_cells}].
    """
    names = table.candidates(Split.VAL)
    if len(names) < MIN_CANDIDATES or not space.parameters:
        return []
    residuals, weights = _residuals(table, names)
    chosen = [space.values(Candidate.parse(name)) for name in names]
    design, columns = _design(space, chosen)
    observed, effects = _spreads(design, columns, residuals, weights)
    rng = np.random.default_rng(derive_seed(seed, "importance"))
    largest = []
    for _ in range(PERMUTATIONS):
        order = rng.permutation(len(names))
        shuffled, _ = _spreads(design, columns, residuals[order], weights[order])
        largest.append(shuffled.max())
    null = float(np.quantile(largest, NULL_LEVEL))
    rows = []
    for index, parameter in enumerate(space.parameters):
        arms = [
            {"arm": arm, "effect": float(effects[column]), **_plain_mean(table, names, chosen, parameter.name, arm)}
            for column, (owner, arm) in enumerate(columns)
            if owner == index
        ]
        rows.append(
            {
                "parameter": parameter.name,
                "predictor": parameter.predictor,
                "kind": parameter.kind,
                "spread": float(observed[index]),
                "null": null,
                "real": bool(observed[index] > null),
                "n_candidates": len(names),
                "n_cells": int(weights.sum()),
                "arms": arms,
            }
        )
    return sorted(rows, key=lambda row: -row["spread"])


def _residuals(table: ScoreTable, names: Sequence[str]) -> tuple[Floats, Floats]:
    sums: dict[str, list[float]] = {}
    for name in names:
        for example, cell in table.row(name, Split.VAL).items():
            if cell.score is not None:
                sums.setdefault(example, []).append(cell.score)
    difficulty = {example: float(np.mean(scores)) for example, scores in sums.items()}
    residuals, weights = [], []
    for name in names:
        row = table.row(name, Split.VAL)
        rest = [cell.score - difficulty[example] for example, cell in row.items() if cell.score is not None]
        residuals.append(float(np.mean(rest)) if rest else 0.0)
        weights.append(float(len(rest)))
    return np.array(residuals), np.array(weights)


def _design(space: SearchSpace, chosen: Sequence[dict[str, int]]) -> tuple[Floats, list[tuple[int, int]]]:
    """One column an arm (parameter index, arm), 1 where the candidate has it; centred by parameter."""
    columns = [(index, arm) for index, parameter in enumerate(space.parameters) for arm in parameter.arms]
    design = np.array(
        [[float(values[space.parameters[index].name] == arm) for index, arm in columns] for values in chosen]
    )
    return design, columns


def _spreads(
    design: Floats, columns: Sequence[tuple[int, int]], residuals: Floats, weights: Floats
) -> tuple[Floats, Floats]:
    """(spread by parameter, effect by column) of the weighted ridge fit."""
    scale = weights / max(weights.mean(), 1e-12)
    centre = residuals - np.average(residuals, weights=np.maximum(weights, 1e-12))
    gram = design.T @ (design * scale[:, None]) + RIDGE * np.eye(design.shape[1])
    effects = np.linalg.solve(gram, design.T @ (scale * centre))
    share = design.T @ scale
    owners = np.array([owner for owner, _ in columns])
    spreads = []
    for owner in range(owners.max() + 1):
        mine = owners == owner
        of_arm, weight = effects[mine], np.maximum(share[mine], 1e-12)
        middle = np.average(of_arm, weights=weight)
        spreads.append(np.sqrt(np.average((of_arm - middle) ** 2, weights=weight)))
    return np.array(spreads), effects


def _plain_mean(
    table: ScoreTable, names: Sequence[str], chosen: Sequence[dict[str, int]], parameter: str, arm: int
) -> dict[str, Any]:
    scores = [
        cell.score
        for name, values in zip(names, chosen, strict=True)
        if values[parameter] == arm
        for cell in table.row(name, Split.VAL).values()
        if cell.score is not None
    ]
    return {"mean": float(np.mean(scores)) if scores else None, "n_cells": len(scores)}
