"""Stored values as people see them: without the notes about types. Imports no library that values may be of.

Every page needs this and nothing else of `value_tags`, whose libraries take longer to import than a page to draw.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from mipro_studio.optimizer_core.programs import library_values

__all__ = ["TAG", "shown", "text_of"]

TAG = "mipro_studio.type"
"""Key of an object that is a value with its type."""

LONGEST_MEDIA = 200
_DATA_URI = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,")


def shown(value: Any) -> Any:
    """Stored JSON as plain JSON, for a person's eyes: without the notes about types."""
    if isinstance(value, Mapping):
        if TAG not in value:
            return {name: shown(inner) for name, inner in value.items()}
        inner = value.get("value")
        if value[TAG] in library_values.KINDS:
            return library_values.plain(inner)
        if value[TAG] == "dict" and isinstance(inner, list):
            return {str(shown(key)): shown(item) for key, item in inner}
        return shown(inner)
    return [shown(inner) for inner in value] if isinstance(value, list | tuple) else value


def text_of(value: Any, indent: int | None = None) -> str:
    """Stored JSON as one text: strings as they are, everything else as JSON; the bytes of images are left out.

    Args:
        indent: Spaces a level, with a value a line; None for all in one line.
    """
    whole = _without_media(shown(value))
    return whole if isinstance(whole, str) else json.dumps(whole, ensure_ascii=False, indent=indent)


def _without_media(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_media(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_media(inner) for inner in value]
    if isinstance(value, str) and len(value) > LONGEST_MEDIA and (found := _DATA_URI.match(value)):
        return f"{found[0]}... ({len(value):,} characters)"
    return value
