"""Where a class stands in its file, looked for once: Python before 3.13 parses the whole file for it each time.

Every program that is loaded asks for the code of its class, signatures and inner modules (`program_code`). That takes
longer than a small run. What is found is asked for anew when the file is another, as `linecache` sees it.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

__all__ = ["look_once"]

_looked_for = inspect.findsource
_known: dict[tuple[Any, ...], Any] = {}


def look_once() -> None:
    """From now on, in this process and what is forked from it."""
    if sys.version_info < (3, 13):
        inspect.findsource = _found


def _found(asked: Any) -> Any:
    """`inspect.findsource`."""
    key = _key(asked) if inspect.isclass(asked) else None
    if key is None:
        return _looked_for(asked)
    if key not in _known:
        try:
            _known[key] = _looked_for(asked)
        except OSError as error:
            _known[key] = error
    found = _known[key]
    if isinstance(found, OSError):
        raise OSError(*found.args)
    return found


def _key(kind: type) -> tuple[Any, ...] | None:
    try:
        path = inspect.getsourcefile(kind)
        stat = Path(path).stat() if path else None
    except (TypeError, OSError):
        return None
    if stat is None:
        return None
    return path, stat.st_mtime_ns, stat.st_size, kind.__module__, kind.__qualname__
