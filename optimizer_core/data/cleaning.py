"""Rows as the program can take them: columns renamed, required inputs there, rows without a label left out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mipro_studio.optimizer_core.data.fields import Columns, Fields, is_missing
from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["columns_of", "labelled", "renamed", "require_inputs"]

Row = dict[str, Any]


def columns_of(rows: Sequence[Row]) -> tuple[str, ...]:
    """All columns of all rows, in the order in which they first come."""
    return tuple(dict.fromkeys(name for row in rows for name in row))


def renamed(rows: Sequence[Row], columns: Mapping[str, str]) -> list[Row]:
    """`rows` with the columns of `columns` (column -> field) under their new names.

    Raises:
        BadInput: there is no such column, or two would have one name.
    """
    if not columns:
        return [dict(row) for row in rows]
    there = columns_of(rows)
    kinds = {tuple(row) for row in rows}  # files of their own may name one field differently
    for column, field in columns.items():
        if column not in there:
            raise BadInput(f"There is no column {column!r} to rename.", f"The data has: {', '.join(there)}.")
        for names in (names for names in kinds if column in names):
            rivals = [one for one in names if columns.get(one, one) == field and one != column]
            if rivals:
                raise BadInput(
                    f"The column {column!r} cannot be renamed to {field!r}: {rivals[0]!r} would have that name too.",
                    f"Rename {rivals[0]!r} as well, or leave {column!r} as it is.",
                )
    return [{columns.get(name, name): value for name, value in row.items()} for row in rows]


def require_inputs(rows: Sequence[Row], fields: Fields, columns: Sequence[str]) -> None:
    """Every row has every input that the program must be given.

    Raises:
        BadInput: names the first row that lacks one.
    """
    if not fields.inputs:
        raise BadInput("It is not clear which columns are inputs.", "Name them with --inputs a,b.")
    needed = [name for name in fields.inputs if name not in fields.optional]
    for number, row in enumerate(rows, start=1):
        missing = [name for name in needed if row.get(name) is None]
        if missing and missing[0] in columns:
            raise BadInput(
                f"Row {number} has no value in the column {missing[0]!r}, which is an input.",
                "Fill it in or take the row out; an input that may be empty has a default in forward().",
            )
        if missing:
            raise BadInput(f"Row {number} has no column {missing[0]!r}.", _advice(missing[0], row, fields, columns))


def _advice(missing: str, row: Row, fields: Fields, columns: Sequence[str]) -> str:
    """What to do about an input that is no column."""
    if path := _path_to(missing, row):
        return (
            f"It stands inside: {' > '.join([*path, missing])}. Write the rows flat, or make them in Python "
            "(rows.py:FUNCTION gives a list of dicts)."
        )
    if missing in fields.records:
        labels = "".join(f', "{name}": ...' for name in fields.outputs if name in columns)
        there = ", ".join(columns)
        return f'It is an object, and the data has: {there}. Write rows as {{"{missing}": {{...}}{labels}}}.'
    alike = [name for name in columns if name.lower().replace(" ", "_") == missing.lower()]
    what = f"--rename {alike[0]}={missing}" if alike and "," not in alike[0] else "--rename"
    return (
        f"The data has: {', '.join(columns)}. Name the inputs (--inputs), or rename a column "
        f"({what}; in the form, Map columns)."
    )


def _path_to(name: str, value: Any, depth: int = 6) -> list[str]:
    """The keys that lead to an object with the key `name` inside of the values of `value`; empty where none does."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        first = inner[0] if isinstance(inner, list) and inner else inner
        if isinstance(first, dict) and name in first:
            return [key]
        if depth and (path := _path_to(name, first, depth - 1)):
            return [key, *path]
    return []


def labelled(
    rows: Sequence[Row], columns: Columns, fields: Fields, *, empty_is_answer: bool = False, needed: bool = True
) -> tuple[list[Row | None], list[str]]:
    """Rows in their order, None for one that has no label, and sentences about those that lack one.

    A missing value of a field that the program puts out is taken away, so that neither a score nor a demo shows
    "None"; where empty is an answer it becomes the empty text.

    Args:
        needed: Leave out a row that has none of the labels.

    Raises:
        BadInput: no row has a label that is needed.
    """
    outs = {*fields.outputs, *fields.within, *columns.labels} - fields.nullable - set(columns.inputs)
    may_lack = [name for name in columns.labels if name not in fields.nullable]
    kept: list[Row | None] = []
    short = Counter[str]()
    for row in rows:
        lacking = [name for name in may_lack if is_missing(row.get(name))]
        if empty_is_answer:
            kept.append({**row, **dict.fromkeys(lacking, "")})
        elif needed and lacking and len(lacking) == len(columns.labels):
            kept.append(None)
        else:
            short.update(lacking)
            kept.append({name: value for name, value in row.items() if name not in outs or not is_missing(value)})
    left_out = kept.count(None)
    if left_out == len(kept):
        raise BadInput(
            f"No row has a label {_named(columns.labels)}.",
            "Fill the column in, name other labels (--labels; in the form, Label columns), or say that empty is an "
            "answer (--empty-is-answer; in the form likewise).",
        )
    return kept, _about_labels(left_out, short if needed else Counter(), columns.labels)


def _named(labels: Sequence[str]) -> str:
    return " or ".join(repr(name) for name in labels)


def _about_labels(left_out: int, short: Mapping[str, int], labels: Sequence[str]) -> list[str]:
    notes = []
    if left_out:
        have, are = ("row has", "is") if left_out == 1 else ("rows have", "are")
        notes.append(f"{left_out} {have} no label {_named(labels)} and {are} left out.")
    return notes + [
        f"{count} {'row has' if count == 1 else 'rows have'} no label {name!r}: scored on the others."
        for name, count in short.items()
    ]
