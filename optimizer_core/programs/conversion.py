"""JSON values made what an annotation says: rows of a file on their way into a program.

Only what JSON or CSV has no word for is made into something else. A number stays the number that the file holds
(1 where a float is declared), because DSPy would show it so.
"""

import ast
import dataclasses
import enum
import inspect
import json
import types
from collections.abc import Callable, Mapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints, is_typeddict

import dspy
from pydantic import BaseModel, TypeAdapter

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.library_values import is_image

__all__ = ["Misfit", "convert"]

Folders = tuple[Path, ...]
MEDIA = (dspy.Image, dspy.Audio, dspy.File)
_SCHEMES = ("data:", "http://", "https://", "gs://")
_LISTS: dict[Any, Any] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    Sequence: list,
    MutableSequence: list,
    AbstractSet: set,
}


class Misfit(ValueError):
    """A value cannot be made what the annotation says."""


def convert(value: Any, annotation: Any, folders: Folders) -> Any:
    """`value` as `annotation` says.

    Raises:
        Misfit: it cannot be.
        BadInput: it names an image, audio or other file that is not there.
    """
    if annotation is Any or annotation is inspect.Parameter.empty or isinstance(annotation, TypeVar):
        return value
    origin = get_origin(annotation)
    if origin is Annotated:
        return convert(value, get_args(annotation)[0], folders)
    if origin is Union or origin is types.UnionType:
        return _one_of(value, get_args(annotation), folders)
    if origin is Literal:
        return _literal(value, get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, MEDIA):
        return _medium(value, annotation, folders)
    if isinstance(value, str) and annotation is not str:
        return _from_text(value, annotation, folders)
    return _from_json(value, annotation, folders)


def _one_of(value: Any, choices: tuple[Any, ...], folders: Folders) -> Any:
    """By the first of `choices` that leaves the value as it is, else by the first that fits at all."""
    fitting = []
    for choice in choices:
        try:
            made = convert(value, choice, folders)
        except Misfit:
            continue
        except BadInput:  # a text that is no file here may be the other thing
            if str not in choices:
                raise
            continue
        if made is value:
            return value
        fitting.append(made)
    if not fitting and value == "" and type(None) in choices:
        return None  # a cell without anything in it
    if not fitting:
        raise Misfit
    return fitting[0]


def _literal(value: Any, allowed: tuple[Any, ...]) -> Any:
    if value in allowed:
        return value
    found = [choice for choice in allowed if isinstance(value, str) and str(choice) == value.strip()]
    if not found:
        raise Misfit
    return found[0]


def _from_text(text: str, annotation: Any, folders: Folders) -> Any:
    """A cell of a CSV, or a string where the annotation wants something else: read as it stands, else as JSON, else
    as Python writes a list or a dict, which is how pandas keeps them in a CSV file."""
    tries: list[Callable[[], Any]] = [lambda: _validated(text, annotation)]
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        tries.insert(0, lambda: _member(text, annotation))
    for attempt in tries:
        try:
            return attempt()
        except Misfit:
            continue
    return _from_json(_read_as_data(text), annotation, folders)


def _read_as_data(text: str) -> Any:
    try:
        read = json.loads(text)
    except ValueError:
        try:
            read = ast.literal_eval(text.strip()) if text.strip()[:1] in ("[", "(", "{") else None
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            read = None
        if not isinstance(read, list | tuple | set | dict):
            raise Misfit from None
    if isinstance(read, str):
        raise Misfit
    return read


def _from_json(value: Any, annotation: Any, folders: Folders) -> Any:
    origin = get_origin(annotation) or annotation
    if value is None:
        if annotation in (None, type(None)):
            return None
        raise Misfit
    if origin in _LISTS:
        return _items(value, origin, get_args(annotation), folders)
    if origin in (dict, Mapping):
        return _entries(value, get_args(annotation), folders)
    if not isinstance(origin, type):
        return _validated(value, annotation)
    if is_typeddict(origin):
        return _validated(value, annotation)
    if _is(value, origin):
        return value
    if issubclass(origin, enum.Enum):
        return _member(value, origin)
    if isinstance(value, Mapping | list) and (issubclass(origin, BaseModel) or dataclasses.is_dataclass(origin)):
        return _record(value, annotation, folders)
    if isinstance(value, bool | int | float):
        raise Misfit
    return _validated(value, annotation)


def _is(value: Any, kind: type) -> bool:
    try:
        return isinstance(value, kind)
    except TypeError:  # a protocol that cannot be tested for
        return False


def _items(value: Any, origin: Any, inner: tuple[Any, ...], folders: Folders) -> Any:
    made = _LISTS[origin]
    if not isinstance(value, list | tuple | set | frozenset):
        raise Misfit
    if origin is tuple and inner and inner[-1] is not Ellipsis:
        if len(inner) != len(value):
            raise Misfit
        kinds: Sequence[Any] = inner
    else:
        kinds = [inner[0] if inner else Any] * len(value)
    items = [convert(item, kind, folders) for item, kind in zip(value, kinds, strict=True)]
    if type(value) is made and all(new is old for new, old in zip(items, value, strict=True)):
        return value
    return made(items)


def _entries(value: Any, inner: tuple[Any, ...], folders: Folders) -> Any:
    if not isinstance(value, Mapping):
        raise Misfit
    of_key, of_item = inner or (Any, Any)
    entries = {convert(key, of_key, folders): convert(item, of_item, folders) for key, item in value.items()}
    unchanged = len(entries) == len(value) and all(
        new[0] is old[0] and new[1] is old[1] for new, old in zip(entries.items(), value.items(), strict=True)
    )
    return value if unchanged else entries


def _record(value: Any, annotation: Any, folders: Folders) -> Any:
    """A pydantic model or a dataclass, whose fields are converted first: pydantic knows no path of an image."""
    kind: Any = get_origin(annotation) or annotation
    if issubclass(kind, dspy.History) and isinstance(value, list):
        value = {"messages": value}
    if isinstance(value, Mapping):
        fields = _annotations(kind)
        value = {name: _or_same(item, fields.get(name, Any), folders) for name, item in value.items()}
    if issubclass(kind, BaseModel):  # also by name where a field has an alias: `values` writes names
        return _checked(lambda: kind.model_validate(value, by_name=True, by_alias=True))
    return _validated(value, annotation)


def _annotations(kind: Any) -> dict[str, Any]:
    if issubclass(kind, BaseModel):
        named = {name: field.annotation for name, field in kind.model_fields.items()}
        return named | {field.alias: field.annotation for field in kind.model_fields.values() if field.alias}
    try:
        return get_type_hints(kind)
    except NameError:  # an annotation that is only there for type checkers
        return {}


def _or_same(value: Any, annotation: Any, folders: Folders) -> Any:
    try:
        return convert(value, annotation, folders)
    except Misfit:
        return value


def _member(value: Any, kind: type[enum.Enum]) -> enum.Enum:
    """By value, then by name, as DSPy reads what a model answers."""
    for member in kind:
        if member.value == value and isinstance(member.value, bool) == isinstance(value, bool):
            return member
    if isinstance(value, str) and value in kind.__members__:
        return kind[value]
    raise Misfit


def _medium(value: Any, kind: Any, folders: Folders) -> Any:
    """An image, audio or other file: from a URL, a data URI, bytes, a path, or an object of any of these."""
    if isinstance(value, kind):
        return value
    if isinstance(value, Mapping) and set(value) == {"bytes", "path"}:  # as Hugging Face's data sets hold media
        value = value["bytes"] if value["bytes"] is not None else value["path"]
        if isinstance(value, Mapping):  # bytes that came through `values.encode`
            from mipro_studio.optimizer_core.programs.values import decode

            value = decode(value)
    if isinstance(value, str) and not value.startswith(_SCHEMES):
        return _read(_file(value, kind, folders), kind)
    if isinstance(value, Mapping):
        return _checked(lambda: kind(**value))
    if isinstance(value, str | bytes) or is_image(value):
        return _checked(lambda: kind(value))
    raise Misfit


def _file(name: str, kind: Any, folders: Folders) -> Path:
    path = Path(name).expanduser()
    for folder in folders or (Path(),):
        try:
            if (folder / path).is_file():
                return folder / path
        except (OSError, ValueError):  # longer than a path may be, or with a NUL
            break
    short = name if len(name) <= 80 else f"{name[:80]}..."
    raise BadInput(
        f"There is no {kind.__name__.lower()} file {short!r}.",
        "Give a path that exists (relative to the data file or to the folder that the run is started in), a URL or a "
        "data URI.",
    )


def _read(path: Path, kind: Any) -> Any:
    try:
        return kind.from_path(str(path))
    except (OSError, ValueError) as error:
        raise BadInput(f"{path.name!r} cannot be read as {kind.__name__.lower()}: {error}.") from error


def _validated(value: Any, annotation: Any) -> Any:
    return _checked(lambda: _adapter(annotation).validate_python(value))


def _checked(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except BadInput:
        raise
    except Exception as error:  # a person's validators may raise anything
        raise Misfit(str(error)) from error


@lru_cache(maxsize=256)
def _adapter_of(annotation: Any) -> TypeAdapter[Any]:
    return TypeAdapter(annotation)


def _adapter(annotation: Any) -> TypeAdapter[Any]:
    try:
        return _adapter_of(annotation)
    except TypeError:  # an annotation that cannot be hashed
        return TypeAdapter(annotation)
