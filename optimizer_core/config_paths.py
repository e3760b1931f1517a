"""Every setting of a run by its path, such as `search.lag`, read off the settings' own types.

The command line's `--set search.lag=3` and its list of settings come from here, so a new setting needs nothing there.
"""

import inspect
import json
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["Setting", "all_settings", "assigned", "merge", "put"]

FILLED_IN = frozenset({"base", "program", "start_state", "carried"})
"""What the command line or the inspection gives, and nobody sets by a path."""


@dataclass(frozen=True)
class Setting:
    """One setting: its `path`, its type and `default` as text, and what the settings' docstring says of it."""

    path: str
    type: str
    default: str
    meaning: str


def all_settings() -> list[Setting]:
    """Every setting in the order of the types; those of a model or a judge below the role's name."""
    return list(_of(RunConfig, ""))


def _of(model: type[BaseModel], prefix: str) -> Iterator[Setting]:
    meanings = _meanings(model)
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        inner = _inner(field.annotation)
        if inner is not None:
            yield from _of(inner, f"{path}.")
        elif path not in FILLED_IN:
            default = field.default if field.default is not PydanticUndefined else None
            kind = _readable(field.annotation)
            yield Setting(path, kind, "" if default is None else _shown(default), meanings.get(name, ""))


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The settings that stand below, for `X` and `X | None`."""
    kinds = [kind for kind in (get_args(annotation) or (annotation,)) if kind is not types.NoneType]
    only = kinds[0] if len(kinds) == 1 else None
    return only if isinstance(only, type) and issubclass(only, BaseModel) else None


def _readable(annotation: Any) -> str:
    """The type as Python writes it, without the bounds."""
    arguments = get_args(annotation)
    match get_origin(annotation):
        case None:
            return "..." if annotation is Ellipsis else getattr(annotation, "__name__", str(annotation))
        case typing.Annotated:
            return _readable(arguments[0])
        case types.UnionType | typing.Union:
            kinds = ("None" if kind is types.NoneType else _readable(kind) for kind in arguments)
            return " | ".join(kinds)
        case typing.Literal:
            return " | ".join(map(repr, arguments))
        case origin:
            return f"{origin.__name__}[{', '.join(map(_readable, arguments))}]"


def _shown(default: Any) -> str:
    return default if isinstance(default, str) else json.dumps(default, default=str)


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """The lines below `Attributes:` in the docstring, by the name (or names) that they begin with."""
    _, _, listed = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in listed.splitlines():
        begun = re.match(r" {4}([a-z_]+(?:, [a-z_]+)*): (.*)", line)
        if begun:
            names = begun[1].split(", ")
            found |= dict.fromkeys(names, begun[2])
        else:
            found |= {name: f"{found[name]} {line.strip()}".rstrip() for name in names}
    return found


def assigned(assignments: Iterable[str]) -> dict[str, Any]:
    """Nested settings from texts like `search.lag=3`; a value is JSON where it can be read as that, else text.

    Raises:
        BadInput: no `=`, or a path that names no setting; the nearest ones are named.
    """
    known = {setting.path: setting for setting in all_settings()}
    values: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise BadInput(f"--set {assignment!r} gives no value.", "Write it as search.lag=3.")
        if path not in known:
            near = get_close_matches(path, known, 3) or [one for one in known if one.endswith(f".{path}")]
            hint = f"Did you mean {' or '.join(near)}?" if near else "`settings` lists them all."
            raise BadInput(f"There is no setting {path!r}.", hint)
        put(values, path, _value(text, known[path].type))
    return values


def _value(text: str, kind: str) -> Any:
    if kind in ("str", "str | None"):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text.split(",") if kind.startswith("tuple") else text


def put(values: dict[str, Any], path: str, value: Any) -> None:
    """Put `value` into the nested `values`, where `path` (such as `search.lag`) says."""
    *above, last = path.split(".")
    for name in above:
        below = values.setdefault(name, {})
        assert isinstance(below, Mapping)
        values = below  # type: ignore[assignment]
    values[last] = value


def merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`below` with the values of `above` put over it, mapping by mapping."""
    merged = dict(below)
    for name, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge(merged[name], value) if both else value
    return merged
