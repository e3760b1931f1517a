"""How values become columns and come back equal: text, JSON and times.

SQLite's text is UTF-8, so a lone surrogate (half an emoji cut by a model's token limit) cannot be bound, and a
NUL ends a string for SQL functions and tools. Such text is kept as a JSON string literal, which is plain ASCII.
"""

import json
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["USAGE", "from_json", "from_text", "iso", "to_json", "to_text"]

USAGE = ("calls", "retries", "input_tokens", "output_tokens", "cost_usd", "lm_s", "estimated_tokens")
"""Columns of what was spent, in the order of `Usage`'s fields."""

# Below this a page holds several rows anyway, and a person with the sqlite3 shell can still read the text.
_COMPRESS_FROM = 1024

# Level 1 is three times as fast as the default on JSON and within a tenth of its size.
_LEVEL = 1


def iso(moment: datetime) -> str:
    """UTC as ISO 8601 of fixed width, so that text compares as time does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def to_text(value: str) -> str:
    """`value` as it is when SQLite can hold it, else as a JSON string literal; injective."""
    if "\0" in value or value.startswith('"'):
        return json.dumps(value)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return json.dumps(value)
    return value


def from_text(column: str) -> str:
    """The inverse of `to_text`."""
    if column.startswith('"'):
        return str(json.loads(column))
    return column


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"a record holds only JSON values, not {type(value).__name__}")


def to_json(value: object) -> str | bytes:
    """ASCII JSON, compressed when long.

    Raises:
        TypeError: `value` holds something that is not JSON.
    """
    text = json.dumps(value, separators=(",", ":"), default=_plain)
    return text if len(text) <= _COMPRESS_FROM else zlib.compress(text.encode("ascii"), _LEVEL)


def from_json(column: str | bytes) -> Any:
    """The inverse of `to_json`, up to tuples, which come back as lists."""
    return json.loads(column if isinstance(column, str) else zlib.decompress(column))
