"""A model in a role, ready to be asked."""

from dataclasses import dataclass
from typing import Any

__all__ = ["Player"]


@dataclass(frozen=True)
class Player:
    """A model in a role, and how prompts are written for it."""

    lm: Any
    adapter: Any
