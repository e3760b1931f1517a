"""The ways in which people and programs keep a table in one JSON value."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mipro_studio.optimizer_core.data.split_names import SPLIT_NAMES
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.plurals import plural
from mipro_studio.optimizer_core.types import Split

__all__ = ["JsonRows", "from_viewer", "rows_of_object"]

Row = dict[str, Any]


@dataclass
class JsonRows:
    """Rows, and what a person should know about them.

    Attributes:
        rows: All of them.
        parts: The same by split, where the file names its splits; empty where it does not.
    """

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    parts: Mapping[Split, list[Row]] = field(default_factory=dict)


_WRAPPERS = ("rows", "data", "examples", "records", "items", "instances")


def rows_of_object(value: Any, name: str) -> JsonRows:
    """Rows of an object, and what a person should know of how they were found in it.

    Raises:
        BadInput: it holds no rows, or several lists of them that are not named as splits are.
    """
    wrong = BadInput(f"{name!r} must hold a list of objects.", 'Use one object a row, as [{"text": "..."}, ...].')
    if not isinstance(value, dict):
        raise wrong
    if parts := _by_split(value):
        return JsonRows([row for part in parts.values() for row in part], [], parts)
    lists: dict[str, list[Row]] = {key: one for key, one in value.items() if _is_rows(one)}
    for key in (*_WRAPPERS, *(lists if len(lists) == 1 else ())):
        if key in lists:
            return JsonRows(lists[key])
    if len(lists) > 1:
        raise BadInput(
            f"{name!r} holds several lists of rows: {', '.join(lists)}.",
            "Write each to a file of its own and name them with --train, --val and --test.",
        )
    if rows := _from_split(value):
        return JsonRows(rows)
    if (inner := _wrapped(value)) is not None:
        return rows_of_object(inner, name)
    if rows := _from_columns(value):
        return JsonRows(rows)
    if rows := _by_key(value):
        return JsonRows(rows, [f"{name!r} holds one object for each row: their keys are in no column."])
    raise wrong


def _by_split(value: Mapping[str, Any]) -> dict[Split, list[Row]]:
    """The rows of each split, where there are training rows and others beside them; else nothing."""
    found: dict[Split, list[Row]] = {}
    for split, names in SPLIT_NAMES.items():
        given = next((value[name] for name in names if name in value), None)
        rows = _from_columns(given) if isinstance(given, dict) else given
        if isinstance(rows, list) and _is_rows(rows):
            found[split] = rows
    return found if Split.TRAIN in found and len(found) > 1 else {}


def _wrapped(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """An object inside that holds the rows: under a name that says so, or alone and with a list of rows in it."""
    for key in _WRAPPERS:
        if isinstance(inner := value.get(key), dict) and _holds_lists(inner):
            return inner
    only = next(iter(value.values())) if len(value) == 1 else None
    return only if isinstance(only, dict) and any(map(_is_rows, only.values())) else None


def _holds_lists(value: Mapping[str, Any]) -> bool:
    return bool(_by_split(value)) or any(isinstance(one, list) for one in value.values())


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _from_split(value: Mapping[str, Any]) -> list[Row]:
    """pandas' orient="split"."""
    columns, data = value.get("columns"), value.get("data")
    if not isinstance(columns, list) or not isinstance(data, list):
        return []
    if not all(isinstance(row, list) and len(row) == len(columns) for row in data):
        return []
    return [dict(zip(map(str, columns), row, strict=True)) for row in data]


def _from_columns(value: Mapping[str, Any]) -> list[Row]:
    """{column: [values]} or, as pandas writes it when nothing is said, {column: {row: value}}."""
    columns = list(value.values())
    if columns and all(isinstance(one, list) for one in columns) and len({len(one) for one in columns}) == 1:
        return [dict(zip(value, row, strict=True)) for row in zip(*columns, strict=True)]
    if not _are_objects(columns) or _numbered(value):
        return []
    if not _numbered(columns[0]) and len(columns) >= len(columns[0]):
        return []  # named on both sides: there are more rows than columns
    if all(one.keys() == columns[0].keys() for one in columns):
        return [{name: column[key] for name, column in value.items()} for key in columns[0]]
    return []


def _by_key(value: Mapping[str, Any]) -> list[Row]:
    """{"q1": {field: value}, "q2": ...}: rows by their names, as pandas' orient="index" writes them too.

    Columns by row look the same but for what the keys are, see `_from_columns`.
    """
    rows = list(value.values())
    return rows if _are_objects(rows) and set.intersection(*(set(row) for row in rows)) else []


def _are_objects(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(one, dict) and one for one in values)


def _numbered(keys: Iterable[str]) -> bool:
    return all(key.removeprefix("-").isdecimal() for key in keys)


def from_viewer(rows: list[Any]) -> tuple[list[Row], list[str]]:
    """Rows as Hugging Face's dataset viewer wraps them: {"row_idx": 0, "row": {...}, "truncated_cells": []}."""
    wrapped = all(isinstance(row.get("row"), dict) and row.keys() <= _VIEWER_KEYS for row in rows)
    if not rows or not wrapped:
        return rows, []
    cut = sum(bool(row.get("truncated_cells")) for row in rows)
    note = f"{plural(cut, 'row has', 'rows have')} cells that the dataset viewer cut: fetch the data set itself."
    return [row["row"] for row in rows], [note] if cut else []


_VIEWER_KEYS = {"row_idx", "row", "truncated_cells"}
