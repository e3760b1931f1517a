"""Imports sqlite-utils without pandas and numpy, which it tries to import for column types that are not used here.

They take a third of a second of a processor. A command need not spend it; the web process, where Streamlit may be
importing them in another thread at this moment, has them anyway.
"""

import sys

if "streamlit" not in sys.modules:
    hidden = [name for name in ("numpy", "pandas") if name not in sys.modules]
    try:
        for name in hidden:
            sys.modules[name] = None  # type: ignore[assignment]
        import sqlite_utils  # noqa: F401
    finally:
        for name in hidden:
            del sys.modules[name]
