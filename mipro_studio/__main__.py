"""Starts one of the studio's modules, as `mipro_studio.command` asks: `python -P .../__main__.py MODULE [ARGUMENTS]`.

Run as a file, so that no folder is put on `sys.path`. A process that a person's program starts with
`multiprocessing` runs this file again under another name, and finds the package in the same way.
"""

import importlib
import importlib.util
import sys
from pathlib import Path


def _register() -> None:
    """Make `mipro_studio` importable without a folder of it on `sys.path`."""
    if "mipro_studio" in sys.modules:
        return
    here = Path(__file__).resolve().parent
    spec = importlib.util.spec_from_file_location(
        "mipro_studio", here / "__init__.py", submodule_search_locations=[str(here)]
    )
    assert spec is not None and spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules["mipro_studio"] = package
    spec.loader.exec_module(package)


_register()

if __name__ == "__main__":
    sys.exit(importlib.import_module(f"mipro_studio.{sys.argv[1]}").main(sys.argv[2:]))
