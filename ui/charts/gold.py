"""The mark of the best candidate, at the mean that the headline gives. Pure."""

from collections.abc import Sequence

from mipro_studio.optimizer_core.types import Trial
from mipro_studio.ui.charts.figures import best_mark
from mipro_studio.ui.result.evidence import Evidence

__all__ = ["gold_of"]


def gold_of(found: Evidence, trials: Sequence[Trial]) -> Trial | None:
    """Where charts draw the winner or leader; None while nothing leads."""
    return best_mark(trials, found.n_val, found.best, found.val.after)
