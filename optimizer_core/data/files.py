"""Files as bytes and text: what is there, what is packed, which encoding, each said when it was a guess."""

import codecs
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["LARGEST_BYTES", "Text", "bytes_of", "text_of"]

LARGEST_BYTES = 1 << 30
"""A packed file may say that it is small and unpack to more than the machine holds."""

_GZIP = b"\x1f\x8b"
# UTF-32 first: its mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NO_TEXT = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3", "an SQLite database"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
)
_POINTER = b"version https://git-lfs.github.com/spec/"
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\f\v\x1b")


@dataclass(frozen=True)
class Text:
    """Decoded text, the encoding it was in, and what a person should know about the choice."""

    content: str
    encoding: str
    notes: tuple[str, ...] = ()


def bytes_of(path: Path) -> bytes:
    """The content of `path`, unpacked when it is gzip.

    Raises:
        BadInput: it is missing, a folder, empty, not readable, or damaged.
    """
    if path.is_dir():
        raise BadInput(f"{str(path)!r} is a folder.", "Name a file in it.")
    if not path.is_file():
        raise BadInput(f"There is no file {str(path)!r}.")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise BadInput(f"{path.name!r} cannot be read: {error.strerror}.") from error
    if not raw:
        raise BadInput(f"{path.name!r} has no rows: it is empty (0 bytes).")
    if raw.startswith(_POINTER):
        raise BadInput(f"{path.name!r} is a pointer of Git LFS and not the data.", "Fetch it with: git lfs pull")
    if raw[:1024].lstrip().lower().startswith((b"<!doctype html", b"<html")):
        raise BadInput(f"{path.name!r} is a web page and no data.", "Fetch the file itself (a raw or download link).")
    return _unpacked(raw, path.name) if raw.startswith(_GZIP) else raw


def _unpacked(raw: bytes, name: str) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(raw)) as packed:
            content = packed.read(LARGEST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadInput(f"{name!r} is damaged: it cannot be unpacked ({error}).", "Copy or fetch it again.") from error
    if len(content) > LARGEST_BYTES:
        raise BadInput(f"{name!r} unpacks to more than {LARGEST_BYTES >> 20} MB.", "Give fewer rows.")
    if not content:
        raise BadInput(f"{name!r} has no rows: it unpacks to 0 bytes.")
    return content


def text_of(raw: bytes, name: str, asked: str | None = None) -> Text:
    """`raw` as text: in the encoding `asked` for, as its byte order mark says, or UTF-8; else Windows-1252, said.

    Raises:
        BadInput: it is no text, not in the encoding asked for, or there is no such encoding.
    """
    if asked:
        return Text(_decoded(raw, name, asked).removeprefix("\ufeff"), asked)
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            return Text(_decoded(raw[len(mark) :], name, encoding), encoding)
    for magic, what in _NO_TEXT:
        if raw.startswith(magic):
            raise BadInput(f"{name!r} is {what} and no text, whatever its name ends with.")
    if (wide := _wide(raw)) is not None:
        note = f"{name!r} has no byte order mark and is read as {wide.upper()}."
        return Text(_decoded(raw, name, wide), wide, (note,))
    try:
        return Text(raw.decode("utf-8"), "utf-8")
    except UnicodeDecodeError as error:
        return _western(raw, name, error.start)


def _decoded(raw: bytes, name: str, encoding: str) -> str:
    try:
        return raw.decode(encoding)
    except LookupError as error:
        raise BadInput(f"There is no encoding {encoding!r}.", "Try utf-8, utf-16, cp1252 or shift_jis.") from error
    except (UnicodeDecodeError, ValueError) as error:
        start = getattr(error, "start", 0)
        line = raw.count(b"\n", 0, start) + 1
        raise BadInput(
            f"{name!r} line {line} is not {encoding} text (byte {start}).",
            "Name the encoding it was saved in (--encoding; in the form, Encoding).",
        ) from error


def _wide(raw: bytes) -> str | None:
    """UTF-16 without a mark: in Western text every other byte is 0."""
    start = raw[:4096]
    half = len(start) // 2
    low, high = start[0::2].count(0), start[1::2].count(0)
    if half >= 4 and high > 0.4 * half and low < 0.1 * half:
        return "utf-16-le"
    if half >= 4 and low > 0.4 * half and high < 0.1 * half:
        return "utf-16-be"
    return None


def _western(raw: bytes, name: str, start: int) -> Text:
    """Windows-1252, and with it all that is printed in Latin-1; refused where it could only be something else."""
    line = raw.count(b"\n", 0, start) + 1
    try:
        content = None if any(byte in _CONTROL for byte in raw[:65536]) else raw.decode("cp1252")
    except UnicodeDecodeError:
        content = None
    if content is None:
        raise BadInput(
            f"{name!r} is not UTF-8 text (line {line}, byte {start}), nor any other that I know by its looks.",
            "Name its encoding (--encoding; in the form, Encoding).",
        )
    note = (
        f"{name!r} is not UTF-8 (line {line}) and is read as cp1252 (Latin-1). If letters look wrong, name its "
        "encoding (--encoding; in the form, Encoding)."
    )
    return Text(content, "cp1252", (note,))
