"""Objects of the process that asked for a run: a module, a metric, rows, models that no file holds.

They stand as attributes of a module that only this process has, so that a run names them as it names everything that
is had from Python: `live_k3f2ab:program`. Another process is told that it cannot have them.
"""

import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.sources import LIVE, is_live

__all__ = ["LiveModule", "keep_value", "kept_value", "live_module", "live_object", "offered"]


class LiveModule(ModuleType):
    """The objects of one call.

    Attributes:
        configured: What the caller told `dspy.configure` (or `dspy.context`), by name.
        values: Values of rows that JSON has no form for, by a key that stands in the row for them.
    """

    configured: Mapping[str, Any]
    values: dict[str, Any]


@contextmanager
def offered(objects: Mapping[str, Any], configured: Mapping[str, Any], name: str = "") -> Iterator[str]:
    """Let `NAME:OBJECT` name `objects` inside; yields the module's name.

    Args:
        objects: Name -> object.
        configured: DSPy's settings that the program is to find.
        name: That of an earlier call, whose run goes on.
    """
    name = name or f"{LIVE}{secrets.token_hex(4)}"
    home = LiveModule(name)
    home.configured, home.values = configured, {}
    vars(home).update(objects)
    sys.modules[name] = home
    try:
        yield name
    finally:
        sys.modules.pop(name, None)


def live_module(reference: str) -> LiveModule | None:
    """The module that `reference` names; None when it names something else.

    Raises:
        BadInput: it belongs to another process, or to a call that is over.
    """
    if not is_live(reference):
        return None
    found = sys.modules.get(reference.partition(":")[0])
    if not isinstance(found, LiveModule):
        raise BadInput(
            "The program is an object of the Python process that called optimize(), so it is not to be had here.",
            "Go on there with optimize(..., resume=RUN), or save it there with result.save(path).",
        )
    return found


def keep_value(reference: str, place: str, value: Any) -> str:
    """Keep a value of the rows that `reference` names; returns the key that `kept_value` finds it by."""
    home = live_module(reference)
    assert home is not None
    key = f"{reference}:{place}"
    home.values[key] = value
    return key


def kept_value(key: str) -> Any:
    """What was kept under `key`.

    Raises:
        KeyError: it is another process's, or a call's that is over.
    """
    home = sys.modules.get(key.partition(":")[0])
    if not isinstance(home, LiveModule):
        raise KeyError(key)
    return home.values[key]


def live_object(reference: str) -> Any:
    """The object that `reference` names.

    Raises:
        BadInput: see `live_module`; or there is no such object.
    """
    home, _, name = reference.partition(":")
    found = getattr(live_module(reference), name, None)
    if found is None:
        raise BadInput(f"{home!r} has nothing named {name!r}.")
    return found
