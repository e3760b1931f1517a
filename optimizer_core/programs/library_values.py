"""Numbers, arrays and moments of numpy and pandas as JSON, and back; neither is imported here.

Rows that were computed or read with them hold these, and a metric that compares them compares numbers.
"""

import sys
from typing import Any

__all__ = ["KINDS", "plain", "read", "written"]

_NUMPY, _TIMESTAMP = "numpy", "pandas.Timestamp"
_MISSING = ("pandas.NA", "pandas.NaT")
KINDS = frozenset({_NUMPY, _TIMESTAMP, *_MISSING})

_WRITABLE = "biufU"
"""Kinds of numpy's types that JSON holds: truth values, whole numbers, numbers, text."""
_TIMES = "Mm"


def written(value: Any) -> tuple[str, Any] | None:
    """(kind, JSON) of a value of these libraries; None for any other, and for arrays of objects."""
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(value, numpy.generic | numpy.ndarray):
        if value.dtype.kind not in _WRITABLE + _TIMES:
            return None
        told = value.astype("int64") if value.dtype.kind in _TIMES else value
        return _NUMPY, {"dtype": value.dtype.str, "value": told.tolist()}
    if pandas is None:
        return None
    if type(value) is pandas.Timestamp:
        return _TIMESTAMP, value.isoformat()
    return next(((kind, None) for kind in _MISSING if value is getattr(pandas, kind.partition(".")[2])), None)


def read(kind: str, inner: Any) -> Any:
    """The inverse of `written`; where the library is not imported, the value in plain JSON.

    Raises:
        KeyError, TypeError, ValueError: it is not what `written` gave.
    """
    library = sys.modules.get(kind.partition(".")[0])
    if library is None:
        return plain(inner)
    if kind in _MISSING:
        return getattr(library, kind.partition(".")[2])
    if kind == _TIMESTAMP:
        return library.Timestamp(inner)
    array = library.asarray(inner["value"]).astype(library.dtype(inner["dtype"]))
    return array if isinstance(inner["value"], list) else array[()]


def plain(inner: Any) -> Any:
    """What `written` gave, for a person's eyes."""
    return inner.get("value") if isinstance(inner, dict) else inner
