"""A model in a role, ready to be asked."""

from dataclasses import dataclass
from typing import Any

__all__ = ["RoleModel"]


@dataclass(frozen=True)
class RoleModel:
    """A model in a role, and how prompts are written for it."""

    lm: Any
    adapter: Any
