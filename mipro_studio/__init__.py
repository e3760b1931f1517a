"""The one package name of the studio: everything of ours is imported as `mipro_studio.<room>`.

In a checkout the rooms (`optimizer_core`, `storage`, `ui`, ...) stand beside this folder, and the package's search
path holds their parent; in a wheel they stand inside it. So a process that runs a person's code needs no folder of
ours on `sys.path`, and a person's own `storage`, `ui` or `tests` is never shadowed by the studio's.
"""

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mipro_studio.optimizer_core.errors import StudioError
    from mipro_studio.python_call.optimize import aoptimize, optimize
    from mipro_studio.python_call.result import Result
    from mipro_studio.python_call.teleprompter import StudioOptimizer

__all__ = ["ROOT", "Result", "StudioError", "StudioOptimizer", "aoptimize", "command", "optimize"]

_HERE = Path(__file__).resolve().parent
_INSTALLED = (_HERE / "optimizer_core").is_dir()

ROOT = _HERE if _INSTALLED else _HERE.parent
"""Where `app.py` and the rooms are: the checkout, or the installed package."""

if not _INSTALLED:
    __path__.append(str(ROOT))


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs `main(arguments)` of `mipro_studio.<module>` in a process of its own.

    The process starts with neither the studio's folder nor the current one on its `sys.path`.
    """
    return [sys.executable, "-P", str(Path(__file__).with_name("__main__.py")), module, *arguments]


_CALLED = {
    "Result": "python_call.result",
    "StudioError": "optimizer_core.errors",
    "StudioOptimizer": "python_call.teleprompter",
    "aoptimize": "python_call.optimize",
    "optimize": "python_call.optimize",
}
"""What a person calls from Python -> its module. Loaded when it is asked for: it takes DSPy along."""


def __getattr__(name: str) -> Any:
    if name not in _CALLED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_CALLED[name]}"), name)
