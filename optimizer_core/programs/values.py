"""Values of rows, traces and demos as JSON, and back as what they were.

A record holds only JSON values (`types`); a program works with pydantic models, enums, dates, images and whatever
its author likes. `encode` writes a value as the JSON that a person would write where the annotation of its field is
enough to read it back, and with its type beside it (`value_tags`) where it is not:

    Item(name="bolts")   annotated Item        {"name": "bolts"}
    Level.LOW            annotated Level       "low"
    date(2024, 5, 1)     not annotated         {"mipro_studio.type": "date", "value": "2024-05-01"}

`decode` is the inverse, and makes of a row from a file what the program's signature says (`conversion`). What cannot
be written down, such as a function or a connection, is kept as DSPy would show it in a prompt.
"""

import enum
import json
import math
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, RootModel

from mipro_studio.optimizer_core.programs.library_values import is_image
from mipro_studio.optimizer_core.programs.shown_values import TAG, shown, text_of
from mipro_studio.optimizer_core.programs.value_tags import (
    JSON,
    SCALARS,
    SHOWN,
    NotWritable,
    as_text,
    field_names,
    is_record,
    is_vast,
    tag,
    untag,
)

__all__ = ["as_prompted", "decode", "encode", "same", "shown", "text_of"]

DEEPEST = 200
"""Lists and objects in one another that are kept as such; what is deeper is kept as one text."""


def encode(value: Any, annotation: Any = Any) -> Any:
    """`value` as JSON values, so that `decode(encode(value, annotation), annotation)` is equal and of the same type.

    Args:
        annotation: The type that the field of the value declares; `Any` when it declares none.
    """
    if type(value) in SCALARS and annotation in (str, Any) and not is_vast(value):
        return value
    # No natural form, not what the annotation says, a circle, or a person's class that raises where it is looked at.
    with suppress(Exception):
        natural = _natural(value)
        if same(decode(natural, annotation), value) and not _is_deep(natural):
            return natural
    try:
        tagged = tag(value)
    except Exception:  # noqa: BLE001 - as above
        tagged = None
    if tagged is None or _is_deep(tagged):
        return {TAG: SHOWN, "value": as_prompted(value)}
    return tagged if isinstance(tagged, dict) and TAG in tagged else {TAG: JSON, "value": tagged}


def decode(value: Any, annotation: Any = Any, folders: Sequence[Path] = ()) -> Any:
    """The value that `encode` wrote, or that a row of a file holds for a field of this annotation.

    JSON that cannot be made what the annotation says stays as it is, as DSPy too passes it on.

    Args:
        folders: Where relative paths of images, audio and other files are looked up; the current folder without any.

    Raises:
        BadInput: the value names an image, audio or other file that is not there.
    """
    if isinstance(value, dict) and TAG in value:
        value = untag(value)
        if not _holds_bytes(value):
            return value
    elif value is None or (isinstance(value, str) and annotation is str) or annotation is Any:
        return value
    from mipro_studio.optimizer_core.programs.conversion import (  # dspy is loaded only where values are typed
        Misfit,
        convert,
    )

    try:
        return convert(value, annotation, tuple(folders))
    except Misfit:
        return value


def _holds_bytes(value: Any) -> bool:
    """Whether a cell was, or held, bytes or an image of Pillow: such are still to be made images of DSPy."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return isinstance(value, bytes) or is_image(value) or any(map(_holds_bytes, inner))


def same(one: Any, other: Any) -> bool:
    """Equal and of the same type throughout: 1 is neither True nor 1.0."""
    if type(one) is not type(other):
        return False
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, BaseModel):
        return bool(one == other) and all(same(getattr(one, name), getattr(other, name)) for name in field_names(one))
    if isinstance(one, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other)


def _natural(value: Any) -> Any:
    """The JSON that a person would write for `value`.

    Raises:
        NotWritable: there is none.
    """
    if type(value) in SCALARS:
        if is_vast(value):
            raise NotWritable
        return value
    if isinstance(value, enum.Enum):
        return _natural(value.value)
    if type(value) in (list, tuple, set, frozenset):
        return [_natural(item) for item in value]
    if type(value) is dict and TAG not in value and all(type(key) is str for key in value):
        return {key: _natural(item) for key, item in value.items()}
    if (whole := _single_field(value)) is not None:
        return _natural(getattr(value, whole))
    if is_record(value):
        return {name: _natural(getattr(value, name)) for name in field_names(value)}
    return as_text(value)


def _single_field(value: Any) -> str | None:
    """The field that stands for the whole of a record: an image's URL, the text of code and of a reasoning."""
    if not isinstance(value, BaseModel):
        return None
    if isinstance(value, RootModel):
        return "root"
    import dspy

    whole = ((dspy.Image, "url"), (dspy.Code, "code"), (dspy.Reasoning, "content"))
    return next((name for kind, name in whole if isinstance(value, kind)), None)


def as_prompted(value: Any) -> Any:
    """`value` as JSON values that DSPy's adapters write as they write `value` itself; it is not read back."""
    from dspy.adapters.utils import serialize_for_json

    with suppress(Exception):  # odd keys, circles, numbers of thousands of digits, classes that raise
        shown = json.loads(json.dumps(serialize_for_json(value)))
        if not _is_deep(shown):
            return shown
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - as above
        return f"<{type(value).__name__}>"


def _is_deep(value: Any) -> bool:
    """Whether lists and objects stand in one another so deep that what reads them later would give up."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for one in level
            if isinstance(one, list | dict)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True
