"""Steps of the desk."""

from .noting import Noting

__all__ = ["Noting"]
