"""What a run's outcome says of its winner: estimates of both splits, paired with the baseline."""

from collections.abc import Collection, Mapping
from typing import Any

from mipro_studio.optimizer_core.analysis.statistics import estimate, paired_difference
from mipro_studio.optimizer_core.analysis.winner import corrected
from mipro_studio.optimizer_core.evaluation.objective import Measure, score_of
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.types import Candidate, Split

__all__ = ["evidence_for", "objective_evidence"]

Estimate = Mapping[str, Any] | None


def evidence_for(
    table: ScoreTable, winner: Candidate, baseline: Candidate, splits: Collection[Split], of: Measure = score_of
) -> dict[str, Estimate]:
    """{baseline_val, best_val, baseline_test, best_test, paired_val, paired_test}, as `Outcome` has them.

    Args:
        splits: Those that are told of; the rest is None, as where nothing counts.
        of: What a cell counts for.
    """

    def estimated(candidate: Candidate, split: Split) -> Estimate:
        row = [of(cell) for _, cell in sorted(table.row(candidate.id, split).items())] if split in splits else []
        values = [value for value in row if value is not None]
        return estimate(values, len(row) - len(values)) if values else None

    def paired(split: Split) -> Estimate:
        pairs = table.paired(baseline.id, winner.id, split, of) if split in splits else ()
        return paired_difference([(before, after) for _, before, after in pairs]) if pairs else None

    return {
        "baseline_val": estimated(baseline, Split.VAL),
        "best_val": estimated(winner, Split.VAL),
        "baseline_test": estimated(baseline, Split.TEST),
        "best_test": estimated(winner, Split.TEST),
        "paired_val": paired(Split.VAL),
        "paired_test": paired(Split.TEST),
    }


def objective_evidence(context: RunContext, winner: Candidate, splits: Collection[Split]) -> dict[str, Any]:
    """The same of what the search maximized; {text, corrected, over_val, over_test} beside it, see `Outcome`."""
    table, objective = context.table, context.objective

    def over(split: Split) -> int | None:
        return sum(map(objective.over, table.row(winner.id, split).values())) if split in splits else None

    return {
        "text": objective.text,
        **evidence_for(table, winner, context.baseline, splits, objective),
        "corrected": corrected(
            table, winner, context.baseline, context.config.seed, objective, context.journal.trials()
        ),
        "over_val": over(Split.VAL),
        "over_test": over(Split.TEST),
    }
