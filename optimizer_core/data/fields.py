"""Which columns are what: inputs, labels that a score is of, and the rest, which is kept and not scored."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.shown_values import shown

__all__ = ["ASIDE", "Columns", "Fields", "end_outputs", "is_missing", "sort_columns"]

ASIDE = frozenset({"reasoning", "rationale"})
"""Outputs beside an answer: what a model thought on the way. No two are worded alike, so no score is of them."""


@dataclass(frozen=True)
class Fields:
    """What a program says of its fields.

    Attributes:
        inputs: Names of the inputs that are read from columns.
        optional: Inputs that may be null, or have no column.
        outputs: What the program puts out at its end.
        within: Outputs of its predictors on the way there.
        nullable: Outputs for which null is an answer.
        records: Inputs that are objects with names, such as dictionaries and pydantic models.
    """

    inputs: tuple[str, ...]
    optional: frozenset[str] = frozenset()
    outputs: tuple[str, ...] = ()
    within: frozenset[str] = frozenset()
    nullable: frozenset[str] = frozenset()
    records: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Columns:
    """The columns of a data set by their role.

    Attributes:
        labels: What is scored. Empty when the program's outputs do not tell: then all that the program puts out is.
        others: Neither inputs nor labels, with the reason; metrics and demos see them.
    """

    inputs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    others: Mapping[str, str] = field(default_factory=dict)


def end_outputs(predictors: Iterable[tuple[Sequence[str], Sequence[str]]]) -> tuple[tuple[str, ...], frozenset[str]]:
    """(outputs of the program's end, outputs within) of predictors given as (inputs, outputs).

    An output that another predictor takes in is on the way, unless that one puts it out anew.
    """
    told = [(set(inputs), tuple(outputs)) for inputs, outputs in predictors]
    names = list(dict.fromkeys(name for _, outputs in told for name in outputs))
    taken = {name for name in names if any(name in inputs and name not in outputs for inputs, outputs in told)}
    end = tuple(name for name in names if name not in taken | ASIDE)
    if not end:
        end = tuple(name for name in names if name not in ASIDE) or tuple(names)
    return end, frozenset(names) - set(end)


def sort_columns(columns: Sequence[str], fields: Fields, asked: Sequence[str] = ()) -> Columns:
    """The role of each column.

    Args:
        asked: Label columns that a person named; empty = those that the program puts out at its end.

    Raises:
        BadInput: a label is no column, or an input.
    """
    inputs = tuple(name for name in fields.inputs if name in columns)
    rest = [name for name in columns if name not in inputs]
    for name in asked:
        if name not in rest:
            what = "is an input" if name in inputs else "is no column"
            there = ", ".join(rest) or "the data has none"
            raise BadInput(f"The label {name!r} {what}.", f"Labels may be: {there}.")
    labels = tuple(asked) or tuple(name for name in rest if name in fields.outputs)
    if not labels and (len(rest) == 1 or all(name in fields.within for name in rest)):
        labels = tuple(rest)  # nothing else is labelled
    others = {name: _why(name, fields, bool(asked), bool(labels)) for name in rest if name not in labels}
    return Columns(inputs, labels, others)


def _why(name: str, fields: Fields, asked: bool, known: bool) -> str:
    if name in ASIDE:
        return "what the model thinks on the way"
    if name in fields.within:
        return "put out on the way"
    if name in fields.outputs and asked:
        return "not among the labels named"
    return "no output of the program" if known or fields.outputs else ""


def is_missing(value: Any) -> bool:
    """Null, NaN, or text without a letter. An empty list is a value."""
    value = shown(value) if isinstance(value, dict) else value
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or (isinstance(value, str) and not value.strip())
