"""Values with their types written beside them: {TAG: kind, "value": JSON, ...}, and back.

Classes are looked up among those that are imported already; reading a value never imports a module.
"""

import base64
import binascii
import dataclasses
import datetime
import decimal
import enum
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel, TypeAdapter

from mipro_studio.optimizer_core.programs import library_values
from mipro_studio.optimizer_core.programs.live_objects import kept_value
from mipro_studio.optimizer_core.programs.shown_values import TAG, shown

__all__ = [
    "JSON",
    "OBJECT",
    "SCALARS",
    "SHOWN",
    "NotWritable",
    "as_text",
    "field_names",
    "is_record",
    "is_vast",
    "names_unknown_class",
    "tag",
    "untag",
]

JSON = "json"
"""Kind of plain JSON in a field whose annotation would make something else of it."""

SHOWN = "shown"
"""Kind of what cannot be read back: the value is JSON that DSPy writes as it writes the value itself."""

OBJECT = "object"
"""Kind of an object of the process that called `optimize`; elsewhere it is the JSON that is shown for it."""

VAST_BITS = 13_000
"""About 3,900 digits; Python writes and reads 4,300 at most."""
SCALARS = (type(None), bool, int, float, str)
_SEQUENCES: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset}
_TEXTS: dict[str, type] = {
    made.__name__: made
    for made in (
        datetime.date,
        datetime.datetime,
        datetime.time,
        datetime.timedelta,
        decimal.Decimal,
        uuid.UUID,
        complex,
        Path,
    )
}


class NotWritable(ValueError):
    """A value has no form that could be read back."""


def tag(value: Any) -> Any:
    """`value` as JSON, with the type of everything that JSON has no word for.

    Raises:
        NotWritable: something in it could not be read back.
    """
    if type(value) in SCALARS:
        if is_vast(value):
            raise NotWritable
        return value
    if type(value) is list:
        return [tag(item) for item in value]
    if type(value) is dict:
        return _tagged_dict(value)
    if type(value) in _SEQUENCES.values():
        return {TAG: type(value).__name__, "value": [tag(item) for item in value]}
    if type(value) is bytes:
        return {TAG: "bytes", "value": base64.b64encode(value).decode()}
    if isinstance(value, enum.Enum):
        return {TAG: "enum", "class": _class_name(value), "name": value.name, "value": _member_value(value)}
    if is_record(value):
        fields = {name: tag(getattr(value, name)) for name in field_names(value)}
        return {TAG: "record", "class": _class_name(value), "value": fields}
    if (of_library := library_values.written(value)) is not None:
        kind, inner = of_library
        return {TAG: kind, "value": inner}
    kind = "Path" if isinstance(value, Path) else type(value).__name__
    if isinstance(value, _TEXTS.get(kind, ())):
        return {TAG: kind, "value": as_text(value)}
    raise NotWritable


def _tagged_dict(value: dict[Any, Any]) -> dict[str, Any]:
    if TAG not in value and all(type(key) is str for key in value):
        return {key: tag(item) for key, item in value.items()}
    return {TAG: "dict", "value": [[tag(key), tag(item)] for key, item in value.items()]}


def _member_value(member: enum.Enum) -> Any:
    return member.value if type(member.value) in SCALARS else str(member.value)


def is_vast(value: Any) -> bool:
    """Whether `value` is a number of so many digits that Python writes it into no JSON."""
    return type(value) is int and value.bit_length() > VAST_BITS


def is_record(value: Any) -> bool:
    """Whether `value` is a pydantic model or a dataclass."""
    return isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def field_names(record: Any) -> list[str]:
    """Names of the fields of a pydantic model or a dataclass, in their order."""
    if isinstance(record, BaseModel):
        return [*type(record).model_fields, *(record.model_extra or {})]
    return [field.name for field in dataclasses.fields(record) if field.init]


def as_text(value: Any) -> str:
    """A date, number or path as one text.

    Raises:
        NotWritable: it is nothing of the kind.
    """
    if isinstance(value, PurePath):
        return str(value)
    if type(value) not in _TEXTS.values():
        raise NotWritable
    return str(TypeAdapter(type(value)).dump_python(value, mode="json"))


def _class_name(value: Any) -> str:
    """The name that `_class` finds the class of `value` by.

    Raises:
        NotWritable: it does not: the class was made inside a function, say.
    """
    name = f"{type(value).__module__}:{type(value).__qualname__}"
    if _class(name) is not type(value):
        raise NotWritable
    return name


def _class(name: str) -> type | None:
    """A class of values by its name, among the modules that are imported; None for everything else."""
    module, _, path = name.partition(":")
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    if isinstance(found, type) and (issubclass(found, BaseModel | enum.Enum) or dataclasses.is_dataclass(found)):
        return found
    return None


def names_unknown_class(value: Any) -> bool:
    """Whether something in `value` is of a class that no imported module has, so that `untag` gives plain JSON."""
    if isinstance(value, list | tuple):
        return any(map(names_unknown_class, value))
    if not isinstance(value, Mapping):
        return False
    if TAG in value and "class" in value and _class(str(value["class"])) is None:
        return True
    return any(map(names_unknown_class, value.values()))


def untag(value: Any) -> Any:
    """The inverse of `tag`; what names an unknown type, or does not fit it, comes back as plain JSON."""
    if isinstance(value, list):
        return [untag(item) for item in value]
    if not isinstance(value, dict):
        return value
    if TAG not in value:
        return {name: untag(inner) for name, inner in value.items()}
    try:
        return _restored(value[TAG], value)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return shown(value)


def _restored(kind: str, tagged: dict[str, Any]) -> Any:
    inner = tagged["value"]
    if kind == SHOWN:
        return inner
    if kind == OBJECT:
        try:
            return kept_value(tagged["key"])
        except KeyError:
            return inner
    if kind == "dict":
        return {untag(key): untag(item) for key, item in inner}
    if kind == "bytes":
        return base64.b64decode(inner)
    if kind == "enum":
        return _class(tagged["class"])[tagged["name"]]  # type: ignore[index]
    if kind == "record":
        return _record(_class(tagged["class"]), untag(inner))
    if kind in library_values.KINDS:
        return library_values.read(kind, inner)
    if kind in _TEXTS:
        return TypeAdapter(_TEXTS[kind]).validate_python(inner)
    made = _SEQUENCES.get(kind)
    return made(untag(inner)) if made is not None else untag(inner)


def _record(kind: Any, fields: dict[str, Any]) -> Any:
    """A record as it was: pydantic's validators have seen its fields before and are not run again."""
    if issubclass(kind, BaseModel):
        return kind.model_construct(**fields)
    return kind(**fields)
