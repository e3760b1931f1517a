"""A comparison as files: the scores and whole answers of every candidate, as CSV and as JSON. No Streamlit."""

import csv
import io
import json
import re
from collections.abc import Sequence

from mipro_studio.optimizer_core.programs.shown_values import shown
from mipro_studio.optimizer_core.types import Example, Json
from mipro_studio.ui.compare.compare_data import Answers, Comparison
from mipro_studio.ui.text.format import clean

__all__ = ["to_csv", "to_json"]


def _called(place: int) -> str:
    """What a column of the CSV calls a candidate."""
    return ("before", "after")[place] if place < 2 else f"beside_{place - 1}"


def to_csv(found: Comparison, said: Answers = ({}, {})) -> str:
    """The cells of every candidate, one example a row: scores, what was spent, inputs, labels and answers.

    Numbers are numbers, lists and records JSON; text that a spreadsheet would take for a formula is quoted.
    """
    examples = [found.examples.get(row.example) for row in found.rows]
    parts = {
        "input": [_of(example, "inputs") for example in examples],
        "label": [_of(example, "labels") for example in examples],
        **{
            f"{_called(place)}_answer": [answered.get(row.example, {}) for row in found.rows]
            for place, answered in enumerate(said)
        },
    }
    columns = list(dict.fromkeys((part, name) for part, rows in parts.items() for row in rows for name in row))
    spent = ("score", "error", "tokens", "cost_usd", "seconds_s")
    head = [f"{_called(place)}_{name}" for place in range(2 + len(found.beside)) for name in spent]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["example", "change", "difference", *head, *(clean(f"{part}_{name}") for part, name in columns)])
    for i, row in enumerate(found.rows):
        sides = [getattr(side, name, None) for side in found.sides(row) for name in spent]
        foreign = [_cell(parts[part][i].get(name)) for part, name in columns]
        writer.writerow([_cell(row.example), row.change.value, row.difference, *sides, *foreign])
    return out.getvalue()


def to_json(found: Comparison, sides: Sequence[str], said: Answers) -> str:
    """Every example with inputs, labels, and each candidate's score, error and answer; `sides` are their ids."""
    rows = []
    for row in found.rows:
        example = found.examples.get(row.example)
        rows.append(
            {
                "example": row.example,
                "change": row.change.value,
                "difference": row.difference,
                "inputs": _of(example, "inputs"),
                "labels": _of(example, "labels"),
                "candidates": [
                    {
                        "candidate": name,
                        "score": side.score if side else None,
                        "error": side.error.value if side and side.error else None,
                        "answer": answered.get(row.example),
                    }
                    for name, side, answered in zip(sides, found.sides(row), said, strict=True)
                ],
            }
        )
    return json.dumps(rows, ensure_ascii=False, indent=1, default=str)


def _of(example: Example | None, part: str) -> Json:
    values: Json = getattr(example, part) if example is not None else {}
    return values


_PLAIN_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")


def _cell(value: object) -> object:
    """A value for a spreadsheet, which would take text with a leading = or + for a formula."""
    plain = shown(value)
    if plain is None or isinstance(plain, int | float):
        return "" if plain is None else plain
    text = clean(plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False))
    return f"'{text}" if text[:1] in tuple("=+-@\t\r\n") and not _PLAIN_NUMBER.fullmatch(text) else text
