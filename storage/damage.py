"""What a damaged file gives, in words that people understand."""

import functools
import inspect
import sqlite3
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

from mipro_studio.optimizer_core.errors import StudioError

__all__ = ["CHECK", "DAMAGES", "damaged_file", "guarded"]

CHECK = "Run `check-store`: it says what is damaged, and what to do."

# Of bytes that are no text, no JSON, no number, another type or shape than was written.
DAMAGES = (
    sqlite3.DatabaseError, zlib.error, ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError,
    RecursionError, MemoryError,
)  # fmt: skip

C = TypeVar("C", bound=type)


def damaged_file(path: Path, error: BaseException) -> StudioError:
    """The sentence for what reading the store at `path` raised."""
    return StudioError(
        f"The store {path} is damaged: {type(error).__name__} while it was read ({error})."[:300], CHECK
    )


def guarded(path_of: Callable[[Any], Path], without: Iterable[str] = ()) -> Callable[[C], C]:
    """A class whose public methods, inherited ones too, give a sentence where the store is damaged.

    Args:
        path_of: The store's path, given the object.
        without: Methods that read nothing, or more than the store.
    """

    def wrap(cls: C) -> C:
        skip = {*without}
        for base in cls.__mro__:
            for name, method in vars(base).items():
                if inspect.isfunction(method) and not name.startswith("_") and name not in skip:
                    setattr(cls, name, _in_words(method, path_of))
                    skip.add(name)
        return cls

    return wrap


def _in_words(method: Callable[..., Any], path_of: Callable[[Any], Path]) -> Callable[..., Any]:
    @functools.wraps(method)
    def read(self: Any, *args: Any, **named: Any) -> Any:
        try:
            return method(self, *args, **named)
        except StudioError:
            raise
        except DAMAGES as error:
            raise damaged_file(path_of(self), error) from error

    return read
