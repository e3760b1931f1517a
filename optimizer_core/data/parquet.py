"""Parquet files as rows of JSON values; images and sounds become data URIs, which dspy.Image and dspy.Audio take."""

import base64
import datetime
import math
from collections import Counter
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["data_uri", "parquet_rows"]

Row = dict[str, Any]

_MAGIC = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"ID3", "audio/mp3"),
    (b"\xff\xfb", "audio/mp3"),
    (b"%PDF-", "application/pdf"),
)


class _Binary(ValueError):
    """Bytes that are neither text nor a kind of file that a model takes."""


class _Infinite(ValueError):
    """A number that JSON has no word for."""


def parquet_rows(raw: bytes, name: str) -> tuple[list[Row], list[str]]:
    """Rows and what a person should know about them.

    Dates, times and decimals become text, NaN becomes null; a column of other binary data is left out, and that is
    said.

    Raises:
        BadInput: it is no Parquet file, a column is named twice, or a number is infinite.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(raw))
        twice = [column for column, count in Counter(file.schema_arrow.names).items() if count > 1]
        if twice:
            raise BadInput(f"{name!r} has the column {twice[0]!r} more than once.", "Give each a name of its own.")
        table = file.read()
        columns = {column: table.column(column).to_pylist() for column in table.column_names}
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise BadInput(f"{name!r} is not a Parquet file that can be read: {said[:200]}.") from error
    kept: dict[str, list[Any]] = {}
    notes = []
    for column, values in columns.items():
        try:
            kept[column] = [_json(value) for value in values]
        except _Binary:
            notes.append(f"{name!r}: the column {column!r} is left out: its bytes are no text, image or sound.")
        except _Infinite as error:
            row = next(i for i, value in enumerate(values, start=1) if not _fits(value))
            raise BadInput(f"{name!r} row {row}: the column {column!r} holds an infinite number.") from error
    n_rows = len(next(iter(columns.values()), ()))
    return [{column: values[i] for column, values in kept.items()} for i in range(n_rows)], notes


def _json(value: Any) -> Any:
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if isinstance(value, float):
        if math.isinf(value):
            raise _Infinite
        return None if math.isnan(value) else value
    if isinstance(value, bytes):
        return _text_or_file(value)
    if isinstance(value, dict):
        if value.keys() == {"bytes", "path"}:  # how Hugging Face keeps an image or a sound
            return _json(value["bytes"]) if value["bytes"] else value["path"]
        return {str(key): _json(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(one) for one in value]
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    return str(value)


def _fits(value: Any) -> bool:
    try:
        _json(value)
    except _Infinite:
        return False
    return True


def _text_or_file(content: bytes) -> str:
    if (uri := data_uri(content)) is not None:
        return uri
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Binary from error


def data_uri(content: bytes) -> str | None:
    """`content` as a data URI when it is an image, a sound or a PDF by its first bytes; None for anything else."""
    mime = next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)
    if content[:4] == b"RIFF":
        mime = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(content[8:12], mime)
    if mime is None:
        return None
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"
