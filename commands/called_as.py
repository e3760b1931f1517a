"""How this command line is called here, for the commands that it tells people to type."""

import sys
from pathlib import Path

__all__ = ["called_as"]

INSTALLED = "mipro-studio"


def called_as() -> str:
    """The installed command's name, or the checkout's file."""
    return INSTALLED if Path(sys.argv[0]).stem == INSTALLED else "python cli.py"
