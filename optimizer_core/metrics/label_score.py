"""What a metric gives the labels themselves, as if the program had answered them: less than 1 is worth knowing."""

from collections.abc import Mapping, Sequence
from typing import Any

import dspy

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.programs.program_inputs import as_dspy
from mipro_studio.optimizer_core.programs.values import decode
from mipro_studio.optimizer_core.types import Cell, Example

__all__ = ["label_score", "output_types", "unanswered"]


def output_types(module: dspy.Module) -> dict[str, Any]:
    """Name -> annotation of all output fields in the program; of those of one name the last predictor's."""
    signatures = [predictor.signature for _, predictor in module.named_predictors()]
    return {name: field.annotation for one in signatures for name, field in one.output_fields.items()}


def label_score(scorer: Scorer, rows: Sequence[Example], types: Mapping[str, Any]) -> dict[str, Any] | None:
    """{mean, n, lowest}: the mean score over `n` rows that could be scored, and the row of the lowest score.

    None where the metric cannot be asked this way: it needs what only the program gives, or a model. No model is
    called here.

    Args:
        types: Annotations of the program's outputs, which the labels are made into.
    """
    scores: list[tuple[float, Example]] = []
    with dspy.context(lm=None):
        for row in rows:
            try:
                labels = {name: decode(value, types.get(name, Any)) for name, value in row.labels.items()}
                scores.append((float(scorer(as_dspy(row), dspy.Prediction(labels))), row))
            except StudioError:  # also an image that is not there: a run will say so
                continue
    if not scores:
        return None
    lowest, row = min(scores, key=lambda scored: scored[0])
    mean = sum(score for score, _ in scores) / len(scores)
    return {"mean": mean, "n": len(scores), "lowest": {"score": lowest, "labels": dict(row.labels)}}


def unanswered(labels: Sequence[str], cells: Sequence[Cell], metric: str) -> list[str]:
    """A sentence where the real answers in `cells` lack some of the labels: a built-in metric scores the others."""
    answered = {name for cell in cells for name in cell.prediction}
    lacking = [name for name in labels if name not in answered]
    if not answered or not lacking or len(lacking) == len(labels):
        return []
    return [f"What the program answers has no {' and no '.join(map(repr, lacking))}: {metric} scores only the rest."]
