"""Values of rows, traces and demos as JSON, and back as what they were.

A record holds only JSON values (`types`); a program works with pydantic models, enums, dates, images and whatever
its author likes. `encode` writes a value as the JSON that a person would write where the annotation of its field is
enough to read it back, and with its type beside it where it is not:

    Item(name="bolts")   annotated Item        {"name": "bolts"}
    Level.LOW            annotated Level       "low"
    date(2024, 5, 1)     not annotated         {"mipro_studio.type": "date", "value": "2024-05-01"}

`decode` is the inverse, and makes of a row from a file what the program's signature says (`conversion`). What cannot
be written down, such as a function or a connection, is kept as DSPy would show it in a prompt.

Classes are looked up among those that are imported already; reading a value never imports a module.
"""

import base64
import binascii
import dataclasses
import datetime
import decimal
import enum
import json
import math
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from pydantic import BaseModel, RootModel, TypeAdapter

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["TAG", "NotWritable", "decode", "encode", "same", "shown", "text_of"]

TAG = "mipro_studio.type"
"""Key of an object that is a value with its type: {TAG: kind, "value": JSON, ...}."""

_JSON = "json"
_SHOWN = "shown"
_SCALARS = (type(None), bool, int, float, str)
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


def encode(value: Any, annotation: Any = Any) -> Any:
    """`value` as JSON values, so that `decode(encode(value, annotation), annotation)` is equal and of the same type.

    Args:
        annotation: The type that the field of the value declares; `Any` when it declares none.
    """
    if type(value) in _SCALARS and annotation in (str, Any):
        return value
    try:
        natural = _natural(value)
        if same(decode(natural, annotation), value):
            return natural
    except (NotWritable, BadInput):  # it cannot be written naturally, or is not what the annotation says
        pass
    try:
        tagged = _tagged(value)
    except NotWritable:
        return {TAG: _SHOWN, "value": _as_prompted(value)}
    return tagged if isinstance(tagged, dict) and TAG in tagged else {TAG: _JSON, "value": tagged}


def decode(value: Any, annotation: Any = Any, folders: Sequence[Path] = ()) -> Any:
    """The value that `encode` wrote, or that a row of a file holds for a field of this annotation.

    JSON that cannot be made what the annotation says stays as it is, as DSPy too passes it on.

    Args:
        folders: Where relative paths of images, audio and other files are looked up; the current folder without any.

    Raises:
        BadInput: the value names an image, audio or other file that is not there.
    """
    if isinstance(value, dict) and TAG in value:
        value = _untagged(value)
        if not _holds_bytes(value):
            return value
    elif value is None or (isinstance(value, str) and annotation is str) or annotation is Any:
        return value
    from mipro_studio.optimizer_core.conversion import Misfit, convert  # dspy is loaded only where values are typed

    try:
        return convert(value, annotation, tuple(folders))
    except Misfit:
        return value


def _holds_bytes(value: Any) -> bool:
    """Whether a file's cell was, or held, bytes: images in a Parquet file are still to be made images."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, bytes) or any(map(_holds_bytes, inner))


def shown(value: Any) -> Any:
    """What `encode` wrote as plain JSON, for a person's eyes: without the notes about types."""
    if isinstance(value, Mapping):
        if TAG not in value:
            return {name: shown(inner) for name, inner in value.items()}
        inner = value.get("value")
        if value[TAG] == "dict" and isinstance(inner, list):
            return {str(shown(key)): shown(item) for key, item in inner}
        return shown(inner)
    return [shown(inner) for inner in value] if isinstance(value, list | tuple) else value


def text_of(value: Any) -> str:
    """What `encode` wrote as one text: strings as they are, everything else as JSON."""
    plain = shown(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def same(one: Any, other: Any) -> bool:
    """Equal and of the same type throughout: 1 is neither True nor 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, BaseModel):
        return bool(one == other) and all(same(getattr(one, name), getattr(other, name)) for name in _fields(one))
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def _fields(value: Any) -> list[str]:
    """Names of the fields of a pydantic model or a dataclass, in their order."""
    if isinstance(value, BaseModel):
        return [*type(value).model_fields, *(value.model_extra or {})]
    return [field.name for field in dataclasses.fields(value) if field.init]


def _is_record(value: Any) -> bool:
    return isinstance(value, BaseModel) or (dataclasses.is_dataclass(value) and not isinstance(value, type))


def _natural(value: Any) -> Any:
    """The JSON that a person would write for `value`.

    Raises:
        NotWritable: there is none.
    """
    if type(value) in _SCALARS:
        return value
    if isinstance(value, enum.Enum):
        return _natural(value.value)
    if type(value) in (list, tuple, set, frozenset):
        return [_natural(item) for item in value]
    if type(value) is dict and TAG not in value and all(type(key) is str for key in value):
        return {key: _natural(item) for key, item in value.items()}
    if (whole := _single_field(value)) is not None:
        return _natural(getattr(value, whole))
    if _is_record(value):
        return {name: _natural(getattr(value, name)) for name in _fields(value)}
    if type(value) in _TEXTS.values() or isinstance(value, PurePath):
        return _text(value)
    raise NotWritable


def _single_field(value: Any) -> str | None:
    """The field that stands for the whole of a DSPy type: an image's URL, the text of code and of a reasoning."""
    if not isinstance(value, BaseModel):
        return None
    if isinstance(value, RootModel):
        return "root"
    import dspy

    whole = ((dspy.Image, "url"), (dspy.Code, "code"), (dspy.Reasoning, "content"))
    return next((name for kind, name in whole if isinstance(value, kind)), None)


def _tagged(value: Any) -> Any:
    """`value` with the type of everything that JSON has no word for.

    Raises:
        NotWritable: something in it could not be read back.
    """
    if type(value) in _SCALARS:
        return value
    if type(value) is list:
        return [_tagged(item) for item in value]
    if type(value) is dict:
        return _tagged_dict(value)
    if type(value) in _SEQUENCES.values():
        return {TAG: type(value).__name__, "value": [_tagged(item) for item in value]}
    if type(value) is bytes:
        return {TAG: "bytes", "value": base64.b64encode(value).decode()}
    if isinstance(value, enum.Enum):
        return {TAG: "enum", "class": _class_name(value), "name": value.name, "value": _shown_member(value)}
    if _is_record(value):
        fields = {name: _tagged(getattr(value, name)) for name in _fields(value)}
        return {TAG: "record", "class": _class_name(value), "value": fields}
    if type(value) in _TEXTS.values() or isinstance(value, Path):
        return {TAG: "Path" if isinstance(value, Path) else type(value).__name__, "value": _text(value)}
    raise NotWritable


def _tagged_dict(value: dict[Any, Any]) -> dict[str, Any]:
    if TAG not in value and all(type(key) is str for key in value):
        return {key: _tagged(item) for key, item in value.items()}
    return {TAG: "dict", "value": [[_tagged(key), _tagged(item)] for key, item in value.items()]}


def _shown_member(member: enum.Enum) -> Any:
    try:
        return _natural(member.value)
    except NotWritable:
        return str(member.value)


def _text(value: Any) -> str:
    return (
        str(value) if isinstance(value, PurePath) else str(TypeAdapter(type(value)).dump_python(value, mode="json"))
    )


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
    is_values = isinstance(found, type) and (
        issubclass(found, BaseModel | enum.Enum) or dataclasses.is_dataclass(found)
    )
    return found if is_values else None


def _untagged(value: Any) -> Any:
    """The inverse of `_tagged`; what names an unknown type, or does not fit it, comes back as plain JSON."""
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    if TAG not in value:
        return {name: _untagged(inner) for name, inner in value.items()}
    try:
        return _restored(value[TAG], value)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return shown(value)


def _restored(kind: str, tagged: dict[str, Any]) -> Any:
    inner = tagged["value"]
    if kind == _SHOWN:
        return inner
    if kind == "dict":
        return {_untagged(key): _untagged(item) for key, item in inner}
    if kind == "bytes":
        return base64.b64decode(inner)
    if kind == "enum":
        return _class(tagged["class"])[tagged["name"]]  # type: ignore[index]
    if kind == "record":
        return _record(_class(tagged["class"]), _untagged(inner))
    if kind in _TEXTS:
        return TypeAdapter(_TEXTS[kind]).validate_python(inner)
    made = _SEQUENCES.get(kind)
    return made(_untagged(inner)) if made is not None else _untagged(inner)


def _record(kind: Any, fields: dict[str, Any]) -> Any:
    """A record as it was: pydantic's validators have seen its fields before and are not run again."""
    if issubclass(kind, BaseModel):
        return kind.model_construct(**fields)
    return kind(**fields)


def _as_prompted(value: Any) -> Any:
    """`value` as JSON values that DSPy's adapters write as they write `value` itself."""
    from dspy.adapters.utils import serialize_for_json

    plain = serialize_for_json(value)
    try:
        return json.loads(json.dumps(plain))
    except (TypeError, ValueError, RecursionError):  # odd keys, circles
        return str(value)
