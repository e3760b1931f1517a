"""Whether a prediction is the label, where one is typed and the other is how a file holds it.

A label comes as JSON, as a cell of a CSV or as an object of a Python source; a prediction has the type that the
signature declares. Both are the same when they say the same:

- a truth value and its word or number: True, "true", "yes", 1
- a number and its digits, exactly where it is whole: 3, 3.0, "3"; NaN is nothing's equal
- a member of an enumeration, its value, and its name
- a date or time and its ISO text
- a record (pydantic, dataclass), an object with its fields, and its JSON text; a field not given has its default
- lists by their places, sets without; both also as JSON text
- None and empty text

Two texts are compared as the metric says. Text against a list of texts is the same as any of them, as in DSPy's own
`answer_exact_match`: they are answers that are all right.
"""

import ast
import dataclasses
import datetime
import enum
import json
import math
import numbers
import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from pydantic import BaseModel, RootModel, TypeAdapter, ValidationError

from mipro_studio.optimizer_core.metrics.answer_number import plain_number

__all__ = ["Cleaned", "alike", "is_compound", "text_in"]

Cleaned = Callable[[str], str]
"""What of a text counts when it is compared."""

_YES = frozenset({"true", "t", "yes", "y", "on", "1"})
_NO = frozenset({"false", "f", "no", "n", "off", "0"})
_MOMENTS = (datetime.date, datetime.time, datetime.timedelta)  # a datetime is a date
_SEQUENCES = (list, tuple, set, frozenset)
_MISSING = object()


def alike(guess: Any, truth: Any, clean: Cleaned) -> bool:
    """Whether `guess` says what `truth` says; `clean` tells which texts are the same."""
    guess, truth = _plain(guess), _plain(truth)
    for same in (_enums, _truths, _nothing, _numbers, _moments, _records, _objects, _lists):
        if (found := same(guess, truth, clean)) is not None:
            return found
    if isinstance(guess, str) and isinstance(truth, str):
        return clean(guess) == clean(truth)
    return bool(guess == truth) or clean(text_in(guess)) == clean(text_in(truth))


def text_in(value: Any) -> str:
    """`value` as the text that a person would write for it."""
    value = _plain(value)
    if isinstance(value, enum.Enum):
        return text_in(value.value)
    if isinstance(value, bool):
        return str(value).lower()
    if (fields := _fields(value)) is not None:
        return " ".join(text_in(one) for one in fields.values())
    if isinstance(value, Mapping):
        return " ".join(f"{key} {text_in(one)}" for key, one in value.items())
    if isinstance(value, _SEQUENCES):
        return " ".join(text_in(one) for one in value)
    return "" if value is None else str(value)


def is_compound(value: Any) -> bool:
    """Whether `value` is a record, an object or a list."""
    return _fields(value) is not None or isinstance(value, (Mapping, *_SEQUENCES))


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy as Python's own; a model of one value as that value."""
    if isinstance(value, RootModel):
        return _plain(value.root)
    to_python = getattr(value, "tolist", None)
    return to_python() if callable(to_python) and not isinstance(value, type) else value


def _enums(guess: Any, truth: Any, clean: Cleaned) -> bool | None:
    if isinstance(guess, enum.Enum) and isinstance(truth, enum.Enum):
        return guess is truth or (type(guess).__name__ == type(truth).__name__ and guess.name == truth.name)
    if isinstance(guess, enum.Enum):
        return _member(type(guess), truth, clean) is guess
    return _member(type(truth), guess, clean) is truth if isinstance(truth, enum.Enum) else None


def _member(kind: type[enum.Enum], said: Any, clean: Cleaned) -> enum.Enum | None:
    """The member that `said` means: by value, else by name, as DSPy reads an answer."""
    members = list(kind)
    for rule in (str.strip, clean):
        for member in members:
            if alike(member.value, said, rule):
                return member
        if isinstance(said, str):
            for member in members:
                if rule(said) in (rule(member.name), rule(f"{kind.__name__}.{member.name}")):
                    return member
    return None


def _truths(guess: Any, truth: Any, clean: Cleaned) -> bool | None:
    if not isinstance(guess, bool) and not isinstance(truth, bool):
        return None
    one, other = _truth(guess, clean), _truth(truth, clean)
    return one is not None and one == other


def _truth(value: Any, clean: Cleaned) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    if not isinstance(value, str):
        return None
    word = clean(value).casefold()
    return True if word in _YES else False if word in _NO else None


def _nothing(guess: Any, truth: Any, clean: Cleaned) -> bool | None:
    if guess is not None and truth is not None:
        return None
    return all(one is None or (isinstance(one, str) and not one.strip()) for one in (guess, truth))


def _numbers(guess: Any, truth: Any, clean: Cleaned) -> bool | None:
    if not any(isinstance(one, numbers.Number) for one in (guess, truth)):
        return None
    one, other = _number(guess, clean), _number(truth, clean)
    if one is None or other is None:
        return False
    if one.denominator == other.denominator == 1 or not any(isinstance(value, float) for value in (guess, truth)):
        return one == other
    return math.isclose(one, other, rel_tol=1e-9)


def _number(value: Any, clean: Cleaned) -> Fraction | None:
    if isinstance(value, str):
        found = plain_number(value)
        return plain_number(clean(value)) if found is None else found
    try:
        return Fraction(value)
    except (TypeError, ValueError, OverflowError):  # NaN, infinity, a complex number
        return None


def _moments(guess: Any, truth: Any, clean: Cleaned) -> bool | None:
    for typed, other in ((guess, truth), (truth, guess)):
        if isinstance(typed, _MOMENTS):
            return bool(typed == _moment(other, typed))
    return None


def _moment(value: Any, like: Any) -> Any:
    """`value` as a date or time of the type of `like`; None when it is none."""
    if isinstance(value, datetime.datetime) and type(like) is datetime.date:
        return value.date() if value.time() == datetime.time() else None
    try:
        return TypeAdapter(type(like)).validate_python(value.strip() if isinstance(value, str) else value)
    except ValidationError:
        return None


def _fields(value: Any) -> dict[str, Any] | None:
    """Name -> value of a record; None for anything else."""
    if isinstance(value, BaseModel):
        return {name: getattr(value, name) for name in (*type(value).model_fields, *(value.model_extra or {}))}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return value._asdict() if isinstance(value, tuple) and hasattr(value, "_asdict") else None


def _records(guess: Any, truth: Any, clean: Cleaned) -> bool | None:
    for record, other in ((guess, truth), (truth, guess)):
        fields = _fields(record)
        if fields is None:
            continue
        given = other if isinstance(other, Mapping) else _fields(other)
        if given is None and isinstance(other, str):
            return _is_text_of(record, other, clean)
        if given is None:
            return isinstance(other, list | tuple) and isinstance(record, tuple) and _in_order(record, other, clean)
        return _same_fields(record, fields, given, clean)
    return None


def _is_text_of(record: Any, text: str, clean: Cleaned) -> bool:
    """Whether `text` is the JSON of `record`, or all that it holds: code, say."""
    read = _read(text)
    if isinstance(read, Mapping | list):
        return alike(record, read, clean)
    try:
        made = TypeAdapter(type(record)).validate_python(text)
    except Exception:  # noqa: BLE001 - a person's validators may raise anything: then it is not made of text
        fields = list((_fields(record) or {}).values())
        return len(fields) == 1 and alike(fields[0], text, clean)
    return not isinstance(made, str) and alike(made, _fields(record), clean)


def _same_fields(record: Any, fields: dict[str, Any], given: Mapping[str, Any], clean: Cleaned) -> bool:
    aliases = {}
    if isinstance(record, BaseModel):
        aliases = {field.alias: name for name, field in type(record).model_fields.items() if field.alias}
    named = {aliases.get(str(key), str(key)): value for key, value in given.items()}
    allows_more = isinstance(record, BaseModel) and record.model_config.get("extra", "ignore") == "ignore"
    if not allows_more and not named.keys() <= fields.keys():
        return False
    return all(
        (other := named.get(name, _default(record, name))) is not _MISSING and alike(value, other, clean)
        for name, value in fields.items()
    )


def _default(record: Any, name: str) -> Any:
    if isinstance(record, BaseModel):
        field = type(record).model_fields.get(name)
        if field is None or field.is_required():
            return _MISSING
        return field.get_default(call_default_factory=True, validated_data={})
    declared = {field.name: field for field in dataclasses.fields(record)} if dataclasses.is_dataclass(record) else {}
    if name not in declared:
        return getattr(record, "_field_defaults", {}).get(name, _MISSING)
    if declared[name].default is not dataclasses.MISSING:
        return declared[name].default
    factory = declared[name].default_factory
    return _MISSING if factory is dataclasses.MISSING else factory()


def _objects(guess: Any, truth: Any, clean: Cleaned) -> bool | None:
    if not any(isinstance(one, Mapping) for one in (guess, truth)):
        return None
    one, other = (_read(value) if isinstance(value, str) else value for value in (guess, truth))
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return False
    by_text = {str(key): value for key, value in other.items()}
    return len(one) == len(other) and all(
        str(key) in by_text and alike(value, by_text[str(key)], clean) for key, value in one.items()
    )


def _lists(guess: Any, truth: Any, clean: Cleaned) -> bool | None:
    if not any(isinstance(one, _SEQUENCES) for one in (guess, truth)):
        return None
    if isinstance(guess, str) and isinstance(read := _read(guess), list):
        return _lists(read, truth, clean)
    if isinstance(guess, str):
        return any(isinstance(one, str) and clean(one) == clean(guess) for one in truth)
    other = _read(truth) if isinstance(truth, str) else truth
    if not isinstance(guess, _SEQUENCES) or not isinstance(other, _SEQUENCES):
        return False
    if any(isinstance(one, set | frozenset) for one in (guess, other)):
        return _in_any_order(list(guess), list(other), clean)
    return _in_order(guess, other, clean)


def _in_order(guess: Any, truth: Any, clean: Cleaned) -> bool:
    return len(guess) == len(truth) and all(alike(one, other, clean) for one, other in zip(guess, truth, strict=True))


def _in_any_order(guess: list[Any], truth: list[Any], clean: Cleaned) -> bool:
    if len(guess) != len(truth):
        return False
    for one in guess:
        place = next((i for i, other in enumerate(truth) if alike(one, other, clean)), None)
        if place is None:
            return False
        truth = truth[:place] + truth[place + 1 :]
    return True


def _read(text: str) -> Any:
    """JSON, or what Python writes for a list or an object (pandas does so in a CSV); the text itself otherwise."""
    if not re.match(r"\s*[\[{(]", text):
        return text
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text.strip())
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return list(found) if isinstance(found, tuple) else found
    return text
