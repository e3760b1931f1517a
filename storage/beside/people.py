"""Whose hand it was: the name that is kept with what a person did to a run, where several work on one store."""

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mipro_studio.storage.team import team_address

__all__ = ["NAME_VARIABLE", "named_by", "person"]

NAME_VARIABLE = "MIPRO_STUDIO_NAME"
"""Environment variable with the name that others see; empty, nobody is named."""
LONGEST = 80

_logged_in: list[Callable[[], str]] = []


def named_by(logged_in: Callable[[], str]) -> None:
    """Ask `logged_in` first, wherever a name is wanted in this process: a web server has many people."""
    _logged_in[:] = [logged_in]


def person(store: Path) -> str:
    """Who acts here: whoever is logged in, else the name that the environment gives, else the user of a team's store.

    Returns:
        One line; empty in a store of one's own where nobody gave a name.
    """
    named = next((name for ask in _logged_in if (name := ask())), os.environ.get(NAME_VARIABLE))
    if named is None:
        address = team_address(store)
        named = unquote(urlsplit(address).username or "") if address else ""
    return " ".join(named.split())[:LONGEST]
