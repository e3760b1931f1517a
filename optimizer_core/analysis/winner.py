"""What the winner is worth, the winner's curse taken into account.

The best of many candidates was partly lucky, so its mean on the validation set flatters it. The item-response model
of all cells (`surrogates.laplace`) pulls it back by as much as the other candidates show to be luck; what is said
here is its posterior, but for two things that the model does not know.

*Which cells decided that a candidate gets more.* Of the dozens that a race begins, those that were lucky on the few
rows of their first trial are let on. These cells of theirs are left out; those of candidates that were not let on
stay, as there are no others of them.
*That the others may say less than it thinks.* It borrows from candidates with some of the same arms, as if effects
added up and every row were as hard for all. So the interval is never narrower than what the winner's own cells alone
would give. `docs/landscapes.md` has the figures.
"""

from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

from mipro_studio.optimizer_core.analysis.statistics import LEVEL
from mipro_studio.optimizer_core.evaluation.objective import Measure, score_of
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.search.surrogates.laplace import fit
from mipro_studio.optimizer_core.search.surrogates.posterior import Posterior
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.types import Candidate, Split, Trial

__all__ = ["corrected"]

DRAWS = 4_000
STEP = 0.05
"""Of f (logit), for the slope of the score."""


def corrected(
    table: ScoreTable,
    winner: Candidate,
    baseline: Candidate,
    seed: int,
    of: Measure = score_of,
    trials: Iterable[Trial] = (),
) -> dict[str, Any] | None:
    """The winner's expected score on examples like the validation set's; None when it has no score there.

    Keys: mean, low, high, level, n (its cells), as in an estimate; observed (its plain mean) and optimism (observed
    minus mean: what the choice of the best of n_candidates is expected to flatter by); n_candidates and n_cells (all
    that the model saw); and difference, difference_low, difference_high and chance_better against the baseline,
    None when the baseline has no score or is the winner.

    Args:
        of: What a cell counts for.
        trials: All of the run.
    """
    rows = table.scores(Split.VAL, of)
    if winner.id not in rows:
        return None
    names = list(rows)
    counted = _without_first_trials(rows, trials)
    posterior = fit([Candidate.parse(name) for name in names], list(counted.values()), final=True)
    if posterior is None:
        return None
    compared = baseline.id in rows and baseline != winner
    places = [names.index(one.id) for one in ((winner, baseline) if compared else (winner,))]
    rng = np.random.default_rng(derive_seed(seed, "winner"))
    spread = posterior.covariance()[np.ix_(places, places)]
    spread[0, 0] = max(spread[0, 0], _of_own_cells(posterior, places[0], list(counted[winner.id].values())))
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


def _without_first_trials(
    rows: Mapping[str, Mapping[str, float]], trials: Iterable[Trial]
) -> dict[str, Mapping[str, float]]:
    """`rows` (scores by candidate and example) without the cells by which candidates were let on to others."""
    first: dict[str, Set[str]] = {}
    for trial in sorted(trials, key=lambda one: one.order):
        first.setdefault(trial.candidate, frozenset(trial.examples))
    counted = {}
    for name, row in rows.items():
        later = {example: score for example, score in row.items() if example not in first.get(name, ())}
        counted[name] = later or row
    return counted


def _of_own_cells(posterior: Posterior, place: int, scores: Sequence[float]) -> float:
    """The variance of f of the candidate at `place` that its own scores give by themselves (logit squared)."""
    if len(scores) < 2:
        return 0.0
    low, high = posterior.score(posterior.mode[place] + np.array([-STEP, STEP]))
    slope = (high - low) / (2 * STEP)
    return float(np.var(scores, ddof=1) / len(scores) / slope**2)


def _summary(values: Any) -> tuple[float, tuple[float, float]]:
    low, high = np.quantile(values, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(values.mean()), (float(low), float(high))
