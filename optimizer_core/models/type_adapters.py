"""pydantic's adapters of classes, made once.

DSPy makes one for each value of each demo of each prompt: a sixth of the processor time of a run against an endpoint.
"""

from functools import lru_cache
from typing import Any

from dspy.adapters import utils
from pydantic import TypeAdapter

__all__ = ["remember_type_adapters"]

MOST = 512

_made = lru_cache(maxsize=MOST)(TypeAdapter)


def _adapter(annotation: Any, *args: Any, **settings: Any) -> Any:
    """`TypeAdapter(annotation)`, remembered for classes: `int | str` equals `str | int` and is read otherwise."""
    if isinstance(annotation, type) and not (args or settings):
        return _made(annotation)
    return TypeAdapter(annotation, *args, **settings)


def remember_type_adapters() -> None:
    """Let DSPy's adapters ask here, from now on."""
    utils.TypeAdapter = _adapter
