"""Who sits at this studio, as far as it knows: the account that it runs under."""

import getpass
from functools import cache

__all__ = ["person"]


@cache
def person() -> str:
    """The name of the account; in a team's store everybody's reading is kept apart by it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # an account without a name, as in some containers
        return "somebody"
