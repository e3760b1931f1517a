"""Which of the things in a file is its program, where nobody says."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

import dspy

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["is_signature", "only_program"]


def only_program(home: ModuleType, reference: str) -> Any:
    """What is called `program` in a file, or its only program: a module that is no part of another and no metric.

    Where it has no module, its only signature.

    Raises:
        BadInput: there is none, or more than one.
    """
    if (named := getattr(home, "program", None)) is not None:
        return named
    found = _programs_of(home, lambda kind: kind.__module__ == home.__name__) or _programs_of(
        home, lambda kind: kind.__module__.partition(".")[0] != "dspy"
    )
    whole = _without_parts(found)
    made = [name for name, one in whole.items() if isinstance(one, dspy.Module)]
    if len(made) == 1 and all(isinstance(whole[made[0]], one) for one in whole.values() if isinstance(one, type)):
        return whole[made[0]]  # a file's one class, and its one object
    if len(whole) == 1:
        return next(iter(whole.values()))
    if found:
        names = list(whole or found)
        raise BadInput(
            f"{reference!r} has {len(names)} dspy modules ({', '.join(names)}).",
            f"Say which, as {reference}:{names[-1]}, or name it `program`.",
        )
    return _only_signature(home, reference)


def is_signature(found: Any) -> bool:
    """Whether it is a class of inputs and outputs, of which `dspy.Predict` makes a program."""
    return isinstance(found, type) and issubclass(found, dspy.Signature) and found is not dspy.Signature


def _only_signature(home: ModuleType, reference: str) -> Any:
    own = {name: one for name, one in vars(home).items() if getattr(one, "__module__", "") == home.__name__}
    signatures = {name: one for name, one in own.items() if is_signature(one)}
    if len(signatures) == 1:
        return next(iter(signatures.values()))
    advice = f"Name it `program`, or a function that makes it, as {reference}:FUNCTION."
    if signatures:
        first = next(iter(signatures))
        advice = f"Its signatures are {', '.join(signatures)}: {reference}:{first} is run as `dspy.Predict({first})`."
    raise BadInput(f"{reference!r} has no dspy.Module.", advice)


def _programs_of(home: ModuleType, counts: Callable[[type], bool]) -> dict[str, Any]:
    """The programs in a file by name, each once: objects, and the classes that count. What scores is none."""
    scores = getattr(home, "metric", None)
    found: dict[str, Any] = {}
    for name, value in vars(home).items():
        is_class = isinstance(value, type) and issubclass(value, dspy.Module) and counts(value)
        if value is scores or (isinstance(scores, dspy.Module) and value is type(scores)):
            continue
        if (is_class or isinstance(value, dspy.Module)) and not any(value is one for one in found.values()):
            found[name] = value
    return found


def _without_parts(found: Mapping[str, Any]) -> dict[str, Any]:
    """Without classes that another of the file's classes uses by name: they are steps of a larger program."""
    classes = {name: one for name, one in found.items() if isinstance(one, type)}
    used = {
        name
        for kind in classes.values()
        for value in vars(kind).values()
        if isinstance(function := inspect.unwrap(value) if callable(value) else value, FunctionType)
        for name in _names(function.__code__)
        if classes.get(name, kind) is not kind
    }
    return {name: one for name, one in found.items() if name not in used}


def _names(code: CodeType) -> Iterator[str]:
    """Names that it looks up outside of itself, in what it has inside (a comprehension, a lambda) too."""
    yield from code.co_names
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _names(inner)
