"""A file of rows: its kind by its ending, packed or not, and what a person should know of how it was read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.data.delimited import delimited_rows
from mipro_studio.optimizer_core.data.files import bytes_of, text_of
from mipro_studio.optimizer_core.data.json_rows import json_rows, jsonl_rows
from mipro_studio.optimizer_core.data.parquet import parquet_rows
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.sources import DELIMITERS, ENDINGS, ending_of
from mipro_studio.optimizer_core.types import Split

__all__ = ["Table", "read_table"]

Row = dict[str, Any]

_JSON = {"json": json_rows, "jsonl": jsonl_rows, "ndjson": jsonl_rows}


@dataclass(frozen=True)
class Table:
    """Rows of one file.

    Attributes:
        notes: Sentences for a person: what was guessed, what was left out.
        how: {format, encoding, delimiter}, as far as they apply.
        parts: The rows by split, where the file names its splits; else empty.
    """

    rows: list[Row]
    notes: tuple[str, ...] = ()
    how: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[Split, Sequence[Row]] = field(default_factory=dict)


def read_table(path: Path, delimiter: str | None = None, encoding: str | None = None) -> Table:
    """Rows of a delimited, JSON, JSONL or Parquet file.

    Args:
        delimiter: Of a CSV file, where the text itself does not make it clear.
        encoding: Of a text file, where it is neither UTF-8 nor marked.

    Raises:
        BadInput: the file is missing, empty, of another kind, or not what its ending says (with the line).
    """
    name, ending = path.name, ending_of(path.name)
    if path.is_file() and not ending:
        raise BadInput(
            f"{name!r} is not a kind of file I read.",
            f"Use one of .{', .'.join(ENDINGS)}, each also with .gz, or a Python file that makes the rows of it "
            "(rows.py:NAME, a list or a function).",
        )
    raw = bytes_of(path)
    if ending == "parquet":
        rows, notes = parquet_rows(raw, name)
        return Table(_some(rows, name), tuple(notes), {"format": ending})
    text = text_of(raw, name, encoding)
    how = {"format": ending, "encoding": text.encoding}
    if ending in DELIMITERS:
        found = delimited_rows(text.content, name, DELIMITERS[ending], delimiter)
        return Table(found.rows, (*text.notes, *found.notes), {**how, "delimiter": found.delimiter})
    read = _JSON[ending](text.content, name)
    return Table(_some(read.rows, name), (*text.notes, *read.notes), how, read.parts)


def _some(rows: list[Row], name: str) -> list[Row]:
    if not rows:
        raise BadInput(f"{name!r} has no rows.")
    return rows
