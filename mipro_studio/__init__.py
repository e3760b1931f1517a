"""The one package name of the studio: everything of ours is imported as `mipro_studio.<room>`.

In a checkout the rooms (`optimizer_core`, `storage`, `ui`, ...) stand beside this folder, and the package's search
path holds their parent; in a wheel they stand inside it. So a process that runs a person's code needs no folder of
ours on `sys.path`, and a person's own `storage`, `ui` or `tests` is never shadowed by the studio's.
"""

import sys
from pathlib import Path

__all__ = ["ROOT", "command"]

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
