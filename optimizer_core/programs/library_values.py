"""Numbers, arrays and moments of numpy and pandas and images of Pillow as JSON, and back; none is imported here.

Rows that were computed or read with these libraries hold them. A metric that compares them compares numbers, and a
program that makes a `dspy.Image` of them finds an image.
"""

import base64
import io
import sys
from typing import Any

__all__ = ["KINDS", "is_image", "plain", "read", "written"]

_NUMPY, _TIMESTAMP, _IMAGE = "numpy", "pandas.Timestamp", "PIL.Image"
_MISSING = ("pandas.NA", "pandas.NaT")
KINDS = frozenset({_NUMPY, _TIMESTAMP, _IMAGE, *_MISSING})

_WRITABLE = "biufU"
"""Kinds of numpy's types that JSON holds: truth values, whole numbers, numbers, text."""
_TIMES = "Mm"
_PNG = "data:image/png;base64,"


def written(value: Any) -> tuple[str, Any] | None:
    """(kind, JSON) of a value of these libraries; None for any other, and for what they hold that JSON cannot."""
    numpy, pandas, pillow = map(sys.modules.get, ("numpy", "pandas", "PIL.Image"))
    if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray):
        if value.dtype.kind not in _WRITABLE + _TIMES:
            return None
        told = value.astype("int64") if value.dtype.kind in _TIMES else value
        return _NUMPY, {"dtype": value.dtype.str, "value": told.tolist()}
    if is_image(value):
        return _image(value, pillow)
    if pandas is None:
        return None
    if type(value) is pandas.Timestamp:
        return _TIMESTAMP, value.isoformat()
    return next(((kind, None) for kind in _MISSING if value is getattr(pandas, kind.partition(".")[2])), None)


def is_image(value: Any) -> bool:
    """Whether `value` is an image of Pillow."""
    pillow: Any = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(value, pillow.Image)


def _image(value: Any, pillow: Any) -> tuple[str, Any] | None:
    """As PNG, which loses nothing, with the format that DSPy would send it in."""
    content = io.BytesIO()
    try:
        value.save(content, "PNG")
    except (OSError, ValueError):  # a mode that PNG does not have
        return None
    if pillow.open(io.BytesIO(content.getvalue())).mode != value.mode:
        return None
    return _IMAGE, {"format": value.format, "value": _PNG + base64.b64encode(content.getvalue()).decode()}


def read(kind: str, inner: Any) -> Any:
    """The inverse of `written`; where the library is not imported, the value in plain JSON.

    Raises:
        KeyError, TypeError, ValueError: it is not what `written` gave.
    """
    library: Any = sys.modules.get(kind if kind == _IMAGE else kind.partition(".")[0])
    if library is None:
        return plain(inner)
    if kind == _IMAGE:
        image = library.open(io.BytesIO(base64.b64decode(inner["value"].removeprefix(_PNG)))).copy()
        image.format = inner["format"]
        return image
    if kind in _MISSING:
        return getattr(library, kind.partition(".")[2])
    if kind == _TIMESTAMP:
        return library.Timestamp(inner)
    array = library.asarray(inner["value"]).astype(library.dtype(inner["dtype"]))
    return array if isinstance(inner["value"], list) else array[()]


def plain(inner: Any) -> Any:
    """What `written` gave, for a person's eyes."""
    return inner.get("value") if isinstance(inner, dict) else inner
