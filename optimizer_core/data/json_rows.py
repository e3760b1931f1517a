"""JSON and JSON Lines: every row with the line it begins in, and nothing that JSON cannot say taken for granted."""

import json
from collections.abc import Callable
from typing import Any

from mipro_studio.optimizer_core.data.json_tables import JsonRows, from_viewer, rows_of_object
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.plurals import plural

__all__ = ["DEEPEST", "json_rows", "jsonl_rows"]

Row = dict[str, Any]

DEEPEST = 100
"""Levels of nesting in a row. Libraries that a program passes it to give up somewhere above that."""

_INT64 = 2**63


class _Refused(ValueError):
    """A value that cannot be taken; the text follows the place in a sentence."""


class _Decoder:
    """A JSON decoder that refuses what would be lost or changed later, and counts NaN, which is read as null."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nans = 0
        self._json = json.JSONDecoder(
            object_pairs_hook=_once, parse_constant=self._constant, parse_int=_whole, parse_float=_finite
        )

    def value(self, text: str, at: int, line: Callable[[int], int]) -> tuple[Any, int]:
        """The value that begins at `at`, and where it ends.

        Args:
            line: The number of the line that a position is in.
        """
        where = f"{self.name!r} line {line(at)}"
        try:
            value, end = self._json.raw_decode(text, at)
            _check_depth(value)
        except json.JSONDecodeError as error:
            raise BadInput(
                f"{self.name!r} line {line(error.pos)} is not JSON: {error.msg}.", _why(text, error.pos)
            ) from error
        except _Refused as error:
            raise BadInput(f"{where}: {error}.") from error
        except RecursionError as error:
            raise BadInput(f"{where}: the row is nested more than {DEEPEST} levels deep.") from error
        return value, end

    def _constant(self, word: str) -> None:
        if word != "NaN":
            raise _Refused(f"{word} is not a JSON number")
        self.nans += 1

    @property
    def notes(self) -> list[str]:
        return [f"{self.name!r} holds NaN {plural(self.nans, 'time')}: it is read as null."] if self.nans else []


def _why(text: str, at: int) -> str:
    """What people write that JSON does not know, where one of it stands at `at`; empty when it is something else."""
    here = text[at:].lstrip()
    if here.startswith(("//", "#", "/*")):
        return "JSON knows no comments: take them out."
    if here.startswith(("}", "]")) and text[:at].rstrip().endswith(","):
        return "JSON knows no comma behind the last item: take it out."
    if here.startswith(("'", "None", "True", "False")):
        return "That is how Python writes a value: write the rows with json.dumps."
    return "" if here else "The text ends there: in JSON Lines each object stands whole on its line."


def _once(pairs: list[tuple[str, Any]]) -> Row:
    made = dict(pairs)
    if len(made) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _Refused(f"the key {twice!r} stands twice in one object")
    return made


def _whole(digits: str) -> int:
    if len(digits) > 20 or not -_INT64 <= (number := int(digits)) < 2 * _INT64:
        size = len(digits.lstrip("-"))
        raise _Refused(f"the integer {digits[:12]}... of {size} digits is larger than 64 bits: quote it as text")
    return number


def _finite(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _Refused(f"the number {digits[:20]} is larger than a float can be: quote it as text")
    return number


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise _Refused(f"the row is nested more than {DEEPEST} levels deep")


def jsonl_rows(text: str, name: str) -> JsonRows:
    """One object a line; blank lines are passed over.

    Raises:
        BadInput: a line is no object, or holds what cannot be taken; the line is named.
    """
    if text.lstrip()[:1] == "[" and text.lstrip()[1:].lstrip()[:1] in ("{", "]", ""):
        return json_rows(text, name)  # a list of objects, whatever the ending says
    decoder, found = _Decoder(name), JsonRows()
    for number, line in enumerate(text.split("\n"), start=1):
        content = line.strip()
        if not content:
            continue
        value, end = decoder.value(content, 0, lambda _, number=number: number)  # type: ignore[misc]
        if rest := content[end:].strip():
            what = "ends in a comma" if rest == "," else "holds more than one value"
            raise BadInput(f"{name!r} line {number} {what}.", "Write one object a line, and nothing between them.")
        if not isinstance(value, dict):
            raise BadInput(f"{name!r} line {number} is not an object.", 'Write one a line, as {"text": "..."}.')
        found.rows.append(value)
    found.rows, truncated = from_viewer(found.rows)
    found.notes += decoder.notes + truncated
    return found


def json_rows(text: str, name: str) -> JsonRows:
    """Rows of a list of objects, of such a list under one key or for each split, of columns (as pandas writes them),
    or of JSON Lines.

    Raises:
        BadInput: it is none of these, or holds what cannot be taken; the line is named.
    """
    decoder = _Decoder(name)
    start = _after_space(text, 0)
    if start == len(text):
        return JsonRows()
    if text[start] == "[":
        listed, end = _elements(text, start, decoder)
        found = JsonRows(listed)
    else:
        value, end = _document(text, start, decoder)
        if isinstance(value, dict) and text.startswith("{", _after_space(text, end)):
            return jsonl_rows(text, name)
        found = rows_of_object(value, name)
    if (rest := _after_space(text, end)) < len(text):
        raise BadInput(f"{name!r} line {_line(text, rest)} is not JSON: Extra data.")
    found.rows, truncated = from_viewer(found.rows)
    found.notes = [*decoder.notes, *found.notes, *truncated]
    return found


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _after_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at


def _elements(text: str, at: int, decoder: _Decoder) -> tuple[list[Any], int]:
    """The objects of the list that begins at `at`, one by one, so that each has its line; and where the list ends."""
    rows: list[Any] = []
    line = _LineCounter(text)
    at = _after_space(text, at + 1)
    if text[at : at + 1] == "]":
        return rows, at + 1
    while True:
        value, at = decoder.value(text, at, line)
        if not isinstance(value, dict):
            raise BadInput(f"{decoder.name!r} must hold a list of objects.", "Use one object a row.")
        rows.append(value)
        at = _after_space(text, at)
        mark = text[at : at + 1]
        if mark == "]":
            return rows, at + 1
        if mark != ",":
            raise BadInput(f"{decoder.name!r} line {line(at)} is not JSON: Expecting ',' or ']' after a row.")
        at = _after_space(text, at + 1)


class _LineCounter:
    """The line of a position; asked for in rising order, the whole text is gone through once."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._line = text, 0, 1

    def __call__(self, place: int) -> int:
        if place < self._at:
            return _line(self._text, place)
        self._line += self._text.count("\n", self._at, place)
        self._at = place
        return self._line


def _document(text: str, start: int, decoder: _Decoder) -> tuple[Any, int]:
    """The value at `start`. The lists of objects in a wrapping object are read row by row, for the lines' sake."""

    def line(place: int) -> int:
        return _line(text, place)

    def whole() -> tuple[Any, int]:  # also what is not well formed: the library says what is wrong with it
        return decoder.value(text, start, line)

    pairs: list[tuple[str, Any]] = []
    at = start
    while text[at : at + 1] == ("," if pairs else "{"):
        at = _after_space(text, at + 1)
        if text[at : at + 1] != '"':
            return whole()
        key, at = decoder.value(text, at, line)
        at = _after_space(text, at)
        if text[at : at + 1] != ":":
            return whole()
        at = _after_space(text, at + 1)
        rows = text[at : at + 1] == "[" and text.startswith("{", _after_space(text, at + 1))
        value, at = _elements(text, at, decoder) if rows else decoder.value(text, at, line)
        pairs.append((key, value))
        at = _after_space(text, at)
    if text[at : at + 1] != "}":
        return whole()
    try:
        return _once(pairs), at + 1
    except _Refused as error:
        raise BadInput(f"{decoder.name!r} line {_line(text, start)}: {error}.") from error
