"""What a metric gives the labels themselves, as if the program had answered them: less than 1 is worth knowing."""

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dspy
from dspy.adapters.types.base_type import Type
from dspy.adapters.utils import get_annotation_name

from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.metrics.decisions import value_type
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.programs.conversion import Misfit, convert
from mipro_studio.optimizer_core.programs.program_inputs import as_dspy
from mipro_studio.optimizer_core.programs.values import decode, text_of
from mipro_studio.optimizer_core.types import Cell, Example

__all__ = ["input_misfits", "label_score", "misfits", "output_types", "unanswered"]


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


def misfits(labels: Sequence[str], rows: Sequence[Example], types: Mapping[str, Any]) -> list[str]:
    """A sentence for each label that is often nothing the program could put out: "a; b" where it puts out a list.

    Args:
        types: Annotations of the program's outputs.
    """
    said = []
    for name in labels:
        given = [row.labels[name] for row in rows if row.labels.get(name) is not None]
        wrong = [value for value in given if name in types and not _is_answer(value, types[name])]
        if wrong:
            said.append(
                f"{len(wrong)} of {len(given)} labels {name!r} are nothing that the program can put out there "
                f"({get_annotation_name(types[name])}), such as {text_of(wrong[0])[:80]!r}."
            )
    return said


def input_misfits(rows: Sequence[Example], types: Mapping[str, Any]) -> list[str]:
    """A sentence for each input that is often not what the program takes there, and reaches it as it stands in the
    rows. Text takes anything, and media are looked for where they are read.

    Args:
        types: Annotations of the program's inputs.
    """
    said = []
    for name, annotation in types.items():
        given = [row.inputs[name] for row in rows if row.inputs.get(name) is not None]
        if annotation is str or Type.extract_custom_type_from_annotation(annotation):
            continue
        wrong = [value for value in given if not _fits(value, annotation)]
        if wrong:
            said.append(
                f"{len(wrong)} of {len(given)} inputs {name!r} are not what the program takes there "
                f"({get_annotation_name(annotation)}), such as {text_of(wrong[0])[:80]!r}: it gets them as they are."
            )
    return said


def _is_answer(value: Any, annotation: Any) -> bool:
    return _fits(value, annotation) or _fits(value, value_type(annotation))


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a value of a row can be what the field declares; also lists and objects as Python writes them."""
    tries: list[Callable[[], Any]] = [lambda: decode(value)]
    if isinstance(value, str):
        tries.append(lambda: ast.literal_eval(value.strip()))
    if isinstance(value, int | float):
        tries.append(lambda: str(value))  # 3.0 where whole numbers are put out
    for made in tries:
        try:
            convert(made(), annotation, ())
            return True
        except (Misfit, BadInput):
            continue
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):  # no value of Python
            continue
    return False


def unanswered(labels: Sequence[str], cells: Sequence[Cell], metric: str) -> list[str]:
    """A sentence where the real answers in `cells` lack some of the labels: a built-in metric scores the others."""
    answered = {name for cell in cells for name in cell.prediction}
    lacking = [name for name in labels if name not in answered]
    if not answered or not lacking or len(lacking) == len(labels):
        return []
    return [f"What the program answers has no {' and no '.join(map(repr, lacking))}: {metric} scores only the rest."]
