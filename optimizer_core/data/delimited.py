"""CSV and its kin: which delimiter, strictly parsed, and every odd line named. Nothing is swallowed in silence."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.plurals import plural

__all__ = ["Delimited", "delimited_rows"]

Row = dict[str, Any]

_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
_BY_NAME = {**{name: mark for mark, name in _NAMES.items()}, "\\t": "\t"}
_UNSEEN = "\u200b\u200e\u2060\ufeff"
"""Characters without a width that spreadsheets and web pages leave before a column's name."""

_SNIFFED_CHARS, _SNIFFED_ROWS = 65_536, 50
_QUOTE_HINT = "A cell that begins with a quote ends at the next: double those inside it, or take a stray one out."


@dataclass(frozen=True)
class Delimited:
    """Rows of text, the delimiter's name, and what a person should know."""

    rows: list[Row]
    delimiter: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Style:
    delimiter: str
    spaced: bool = False
    quoted: bool = True

    def reader(self, text: str, strict: bool = True) -> Any:
        # Not splitlines(): it also cuts at separators such as U+2028, which end no row. newline="" keeps the line
        # ends inside quoted cells as they are.
        return csv.reader(
            io.StringIO(text, newline=""),
            delimiter=self.delimiter, skipinitialspace=self.spaced, strict=strict,
            quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
        )  # fmt: skip


def delimited_rows(text: str, name: str, usual: str, asked: str | None = None) -> Delimited:
    """The rows below the header of `text`; every cell is text.

    Args:
        name: Of the file, for sentences.
        usual: The delimiter that the file's ending stands for, taken when the text does not say otherwise.
        asked: The delimiter a person named: a character, or `tab`, `comma`, `semicolon`, `pipe`.

    Raises:
        BadInput: a stray or open quote, a row too long or too short, a column named twice: the line is named.
    """
    csv.field_size_limit(2**31 - 1)  # the default of 128 KiB refuses long documents
    text, offset, said = _without_sep_line(text)
    style = _style(text, usual, _as_mark(asked) if asked else said)
    lines, notes = _parsed(text, name, style, offset)
    if not lines:
        raise BadInput(f"{name!r} has no rows.")
    (_, header), *body = lines
    columns = _columns(header, name, len(body))
    rows, more = _as_rows(header, columns, body, name)
    notes += more + _suspicious(body, style, name)
    if style.delimiter != usual and not asked:
        notes.insert(0, f"{name!r} is separated by {_NAMES.get(style.delimiter, style.delimiter)}.")
    return Delimited(rows, _NAMES.get(style.delimiter, style.delimiter), tuple(notes))


def _as_mark(asked: str) -> str:
    mark = _BY_NAME.get(asked.strip().lower(), asked)
    if len(mark) != 1 or mark in '"\r\n':
        raise BadInput(f"The delimiter {asked!r} is not one character.", "Use one, or: comma, semicolon, tab, pipe.")
    return mark


def _without_sep_line(text: str) -> tuple[str, int, str | None]:
    """The text below a first line `sep=;`, which Excel writes for itself: (text, lines cut, delimiter)."""
    found = re.match(r'"?sep=(.)"?\r?\n', text, re.IGNORECASE)
    return (text[found.end() :], 1, found[1]) if found else (text, 0, None)


def _style(text: str, usual: str, mark: str | None) -> _Style:
    """The delimiter by which the first rows have the header's width most often; the usual one wins a tie."""
    start = text[:_SNIFFED_CHARS]
    if mark is None:
        found = {one: _fit(start, one, len(start) < len(text)) for one in (usual, *(m for m in _NAMES if m != usual))}
        mark = max(found, key=lambda one: found[one])
        mark = mark if found[mark] > (0.0, 0) else usual
    header = next(csv.reader(io.StringIO(start, newline=""), delimiter=mark), [])
    return _Style(mark, spaced=len(header) > 1 and all(cell[:1] == " " for cell in header[1:]))


def _fit(start: str, mark: str, cut: bool) -> tuple[float, int]:
    """(share of rows that are as wide as the header, width); nothing when the header has one column."""
    rows = [row for row in islice(_Style(mark).reader(start, strict=False), _SNIFFED_ROWS) if row]
    rows = rows[:-1] if cut and 1 < len(rows) < _SNIFFED_ROWS else rows
    width = len(rows[0]) if rows else 0
    return (sum(len(row) == width for row in rows) / len(rows), width) if width > 1 else (0.0, 0)


Line = tuple[int, list[str]]
"""Number of the line in which a row begins, and its cells."""


def _parsed(text: str, name: str, style: _Style, offset: int) -> tuple[list[Line], list[str]]:
    try:
        return list(_lines(text, name, style, offset)), []
    except BadInput:
        # Tab-separated files often know no quotes at all. They are read so only if every row then fits.
        bare = _Style(style.delimiter, quoted=False)
        if style.delimiter != "\t":
            raise
        lines = list(_lines(text, name, bare, offset))
        if any(len(cells) != len(lines[0][1]) for _, cells in lines):
            raise
        return lines, [f"{name!r} has quotes that close nothing: they are read as text."]


def _lines(text: str, name: str, style: _Style, offset: int) -> Iterator[Line]:
    reader = style.reader(text)
    begun = 0
    try:
        while (cells := next(reader, None)) is not None:
            if cells:
                yield begun + offset + 1, cells
            begun = reader.line_num
    except csv.Error as error:
        line, end = begun + offset + 1, reader.line_num + offset
        if "unexpected end" in str(error):
            what = f"line {line}: a quote opens in this row and is never closed"
        else:
            at = f"line {line}" if end == line else f"lines {line} to {end}"
            what = f"{at}: a quoted cell does not end at its closing quote"
        raise BadInput(f"{name!r} {what}.", _QUOTE_HINT) from error


def _columns(header: Sequence[str], name: str, n_rows: int) -> list[str]:
    """Names of the columns; those without one are numbered."""
    named = [cell.strip(_UNSEEN).strip() for cell in header]
    twice = [column for column, count in Counter(named).items() if column and count > 1]
    if twice:
        places = [str(i) for i, column in enumerate(named, start=1) if column == twice[0]]
        raise BadInput(
            f"{name!r} has the column {twice[0]!r} {len(places)} times (columns {', '.join(places)}).",
            "Give each column a name of its own.",
        )
    if not n_rows or not any(named):
        raise BadInput(f"{name!r} has no rows." if any(named) else f"{name!r} line 1 names no columns.")
    taken = set(named)
    for i, column in enumerate(named):
        if not column:
            free = (f"column_{i + 1}{'_' * more}" for more in range(len(named)))
            named[i] = next(one for one in free if one not in taken)
            taken.add(named[i])
    return named


def _as_rows(
    header: Sequence[str], columns: Sequence[str], body: Sequence[Line], name: str
) -> tuple[list[Row], list[str]]:
    """Rows without those that are empty, and without columns that have neither a name nor a value."""
    filled = [(line, cells) for line, cells in body if any(cell.strip() for cell in cells)]
    if not filled:
        raise BadInput(f"{name!r} has no rows.")
    wrong = [(line, cells) for line, cells in filled if len(cells) != len(columns)]
    if wrong:
        line, cells = wrong[0]
        more = f", and {len(wrong) - 1} further rows do not fit either" if len(wrong) > 1 else ""
        many = len(cells) > len(columns)
        raise BadInput(
            f"{name!r} line {line} has {'more' if many else 'fewer'} cells than the header has columns "
            f"({len(cells)} and {len(columns)}){more}.",
            f"{'Quote a cell that holds the delimiter' if many else 'Write the delimiter for an empty cell too'}, or "
            "name the delimiter (--delimiter; in the form, Delimiter).",
        )
    notes = []
    if skipped := len(body) - len(filled):
        notes.append(f"{name!r} has {plural(skipped, 'row')} of empty cells, which are left out.")
    unnamed = (i for i, cell in enumerate(header) if not cell.strip())
    void = {i for i in unnamed if not any(cells[i].strip() for _, cells in filled)}
    kept = [i for i in range(len(columns)) if i not in void]
    return [{columns[i]: cells[i] for i in kept} for _, cells in filled], notes


def _suspicious(body: Sequence[Line], style: _Style, name: str) -> list[str]:
    """Two stray quotes make one cell of all the rows between them, and nothing about that is malformed.

    Told where every cell of several lines in the file would be whole rows without its quotes.
    """
    found = [
        (line, len(lines), _like_rows(lines, style.delimiter, place, len(cells)))
        for line, cells in body
        for place, cell in enumerate(cells)
        if len(lines := cell.replace("\r\n", "\n").split("\n")) > 1
    ]
    if not found or not all(like for _, _, like in found):
        return []
    line, count, _ = found[0]
    return [f"{name!r} line {line}: one cell holds {count} lines that look like rows. Is a quote missing there?"]


def _like_rows(lines: Sequence[str], delimiter: str, place: int, width: int) -> bool:
    """Whether the lines of the cell at `place` have as many delimiters as rows would that it may have swallowed."""
    if width == 1 or any('"' in line for line in lines):
        return False
    expected = [width - 1 - place, *[width - 1] * (len(lines) - 2), place]
    return [line.count(delimiter) for line in lines] == expected
