"""What the winner is worth, the winner's curse taken into account.

The best of many candidates was partly lucky, so its mean on the validation set flatters it. The item-response model
of all cells (`surrogates.laplace`) pulls it back by as much as the other candidates show to be luck; what is said
here is its posterior, so that it holds for a winner as for any other candidate.
"""

from typing import Any

import numpy as np

from mipro_studio.optimizer_core.analysis.statistics import LEVEL
from mipro_studio.optimizer_core.evaluation.objective import Measure, score_of
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import Candidate, Split

__all__ = ["corrected"]

DRAWS = 4_000


def corrected(
    table: ScoreTable, winner: Candidate, baseline: Candidate, seed: int, of: Measure = score_of
) -> dict[str, Any] | None:
    """The winner's expected score on examples like the validation set's; None when it has no score there.

    Keys: mean, low, high, level, n (its cells), as in an estimate; observed (its plain mean) and optimism (observed
    minus mean: what the choice of the best of n_candidates is expected to flatter by); n_candidates and n_cells (all
    that the model saw); and difference, difference_low, difference_high and chance_better against the baseline,
    None when the baseline has no score or is the winner.

    Args:
        of: What a cell counts for.
    """
    rows = table.scores(Split.VAL, of)
    if winner.id not in rows:
        return None
    names = list(rows)
    posterior = fit([Candidate.parse(name) for name in names], list(rows.values()), final=True)
    if posterior is None:
        return None
    compared = baseline.id in rows and baseline != winner
    places = [names.index(one.id) for one in ((winner, baseline) if compared else (winner,))]
    rng = np.random.default_rng(derive_seed(seed, "winner"))
    spread = posterior.covariance()[np.ix_(places, places)]
    drawn = posterior.score(rng.multivariate_normal(posterior.mode[places], spread, DRAWS, method="eigh"))
    observed = float(np.mean(list(rows[winner.id].values())))
    mean, (low, high) = _summary(drawn[:, 0])
    found: dict[str, Any] = {
        **{"mean": mean, "low": low, "high": high, "level": LEVEL, "n": len(rows[winner.id])},
        **{"observed": observed, "optimism": observed - mean},
        **{"n_candidates": len(names), "n_cells": sum(map(len, rows.values()))},
        **dict.fromkeys(("difference", "difference_low", "difference_high", "chance_better")),
    }
    if compared:
        gain = drawn[:, 0] - drawn[:, 1]
        difference, (least, most) = _summary(gain)
        found |= {"difference": difference, "difference_low": least, "difference_high": most}
        found["chance_better"] = float((gain > 0).mean())
    return found


def _summary(values: Any) -> tuple[float, tuple[float, float]]:
    low, high = np.quantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(values.mean()), (float(low), float(high))
