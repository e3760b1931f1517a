"""A cleaned row with what it is known by: worked out once, for a file may have a hundred thousand."""

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mipro_studio.optimizer_core.data.fields import Columns
from mipro_studio.optimizer_core.types import Split

__all__ = ["Line", "Question", "example_id", "group_of", "line_of", "question_of"]

Row = dict[str, Any]
Question = tuple[str, ...]
"""The same for rows that ask the program the same."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row: what the program is given, everything else, and the keys that rows are compared by.

    Attributes:
        split: The split that it was given for; None = still to be split.
        id: Hash of its content.
        question: What it asks, see `question_of`.
        group: The same for rows of one group; empty for a row of none.
    """

    row: Row
    split: Split | None
    inputs: Row
    labels: Row
    id: str
    question: Question
    group: str


def line_of(row: Row, split: Split | None, roles: Columns, group: str | None) -> Line:
    """A row as it will be an example, with the ids that tell equal rows and equal questions.

    Args:
        row: {column: value}, columns renamed already.
        split: Of a row that names one; None = it is split with the others.
        roles: Which columns are inputs; all others are labels.
        group: Column whose rows must not be torn apart; None = there is none.
    """
    inputs = {name: row[name] for name in roles.inputs if name in row}
    labels = {name: value for name, value in row.items() if name not in inputs}
    of = group_of(row, group) if group is not None else ""
    return Line(row, split, inputs, labels, example_id(inputs, labels), question_of(row, roles.inputs), of)


def example_id(inputs: Mapping[str, Any], labels: Mapping[str, Any]) -> str:
    """Content hash of a row: the same row has the same id in every split, run and machine."""
    text = json.dumps([dict(inputs), dict(labels)], sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def question_of(row: Mapping[str, Any], inputs: Sequence[str]) -> Question:
    """What `row` asks as a reader takes it: case, blanks and how an accent is coded make no other question."""
    return tuple(_asked(row[name]) if name in row else "" for name in inputs)


def _asked(value: Any) -> str:
    if isinstance(value, str):
        return f"text {_same_text(value)}"
    return f"json {json.dumps(_same(value), sort_keys=True, default=str)}"


def _same_text(text: str) -> str:
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).casefold().split())


def _same(value: Any) -> Any:
    if isinstance(value, str):
        return _same_text(value)
    if isinstance(value, Mapping):
        return {name: _same(one) for name, one in value.items()}
    return [_same(one) for one in value] if isinstance(value, list | tuple) else value


def group_of(row: Mapping[str, Any], group: str) -> str:
    value = row.get(group)
    return "" if value in (None, "") else json.dumps(value, sort_keys=True, default=str)
