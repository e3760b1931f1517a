"""The source code of classes, found once: `inspect.getsource` parses the whole file of a class each time."""

import inspect
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from dspy.propose import utils

__all__ = ["class_source", "remember_sources"]

MOST = 512
_known: dict[tuple[Any, ...], str | None] = {}


def class_source(kind: Any) -> str:
    """`inspect.getsource(kind)`, remembered by the class's name and its file as that is now.

    A signature that is made of a string is a new class each time, and a file of DSPy's is searched for it in vain.

    Raises:
        OSError: there is no source code to be had.
        TypeError: it has no file, as in a notebook.
    """
    key = _key(kind) if inspect.isclass(kind) else None
    if key is None:
        return inspect.getsource(kind)
    if key not in _known:
        if len(_known) >= MOST:
            _known.clear()
        try:
            _known[key] = inspect.getsource(kind)
        except OSError:
            _known[key] = None
    found = _known[key]
    if found is None:
        raise OSError("could not find class definition")
    return found


def _key(kind: type) -> tuple[Any, ...] | None:
    """None where nothing says whether the code is still the same."""
    try:
        now = Path(file := inspect.getfile(kind)).stat()
    except OSError:
        return None
    line = getattr(kind, "__firstlineno__", None)  # Python 3.13 tells classes of one name apart
    return (kind.__module__, kind.__qualname__, line, file, now.st_mtime_ns, now.st_size)


def remember_sources() -> None:
    """DSPy's proposer asks here too."""
    utils.inspect = SimpleNamespace(**{**vars(inspect), "getsource": class_source})
