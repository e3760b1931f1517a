"""How a row reaches a program: the inputs that it takes, their types, and the call, as `dspy.Evaluate` makes it."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, get_type_hints

import dspy
from dspy.adapters.utils import annotation_allows_none

from mipro_studio.optimizer_core.programs.values import decode
from mipro_studio.optimizer_core.types import Example

__all__ = ["Inputs", "allows_none", "as_dspy", "call", "entry_of", "inputs_of", "is_awaited"]

_POSITIONAL = {"self", "instance"}
"""Names that DSPy's own call takes by keyword: an input called so can only be given by its place."""


@dataclass(frozen=True)
class Inputs:
    """What a program may be given by name.

    Attributes:
        types: Name -> annotation, in the program's order; `Any` where nothing says the type.
        required: Names without a default.
        open: Other names are taken as well (`forward(**kwargs)`).
        guessed: Of `types`, names that only the first predictor has: the program may make them up itself.
    """

    types: Mapping[str, Any]
    required: frozenset[str]
    open: bool
    guessed: frozenset[str] = frozenset()


def inputs_of(module: dspy.Module) -> Inputs:
    """The inputs of `module`: of its forward(), or of its signature where forward() takes anything.

    Types come from forward(), else from the signature, else from the first predictor with a field of the name.
    """
    entry = entry_of(module)
    parameters, hints = _parameters(getattr(entry, "__func__", entry)) if entry is not None else ({}, {})
    if inspect.ismethod(entry):
        parameters = dict(list(parameters.items())[1:])
    named = {
        name: parameter
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    is_open = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    fields = _fields(module)
    types = {name: hints.get(name, fields.get(name, Any)) for name in named}
    required = {name for name, parameter in named.items() if parameter.default is parameter.empty}
    if not is_open:
        return Inputs(types, frozenset(required), False)
    declared = {name: field for name, field in _declared(module).items() if name not in named}
    types |= {name: field.annotation for name, field in declared.items()}
    if not _says_its_inputs(module):
        return Inputs(types, frozenset(required), True, frozenset(declared))
    required |= {name for name, field in declared.items() if _must_be_given(field)}
    return Inputs(types, frozenset(required), True)


def _must_be_given(field: Any) -> bool:
    return bool(field.is_required()) and not allows_none(field.annotation)


def allows_none(annotation: Any) -> bool:
    """Whether a value of this annotation may be None."""
    return bool(annotation_allows_none(annotation))


def entry_of(module: dspy.Module) -> Callable[..., Any] | None:
    """The method that a call of `module` ends in: forward, an overridden __call__, or aforward. None: there is none.

    Looked up in the class: DSPy logs a warning when somebody reads `module.forward`.
    """
    for name in ("forward", "__call__", "aforward"):
        own = vars(module).get(name)
        found = own if own is not None else getattr(type(module), name, None)
        if found is not None and found is not dspy.Module.__call__:
            return found if own is not None else found.__get__(module)  # type: ignore[no-any-return]
    return None


@lru_cache(maxsize=256)
def _parameters(function: Callable[..., Any]) -> tuple[dict[str, inspect.Parameter], dict[str, Any]]:
    """Parameters and resolved annotations of a function, its `self` included."""
    try:
        parameters = dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):  # a builtin that does not tell
        return {}, {}
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - annotations are a person's code: names that are there for type checkers only
        hints = {name: one.annotation for name, one in parameters.items() if isinstance(one.annotation, type)}
        hints = {name: hint for name, hint in hints.items() if hint is not inspect.Parameter.empty}
    return parameters, hints


def _declared(module: dspy.Module) -> Mapping[str, Any]:
    """Input fields of the module's own signature, of the module it wraps, or of its first predictor."""
    signature = getattr(module, "signature", None)
    if hasattr(signature, "input_fields"):
        return signature.input_fields  # type: ignore[no-any-return, union-attr]
    inner = getattr(module, "module", None)
    if isinstance(inner, dspy.Module):
        return _declared(inner)
    predictors = module.predictors()
    fields: Mapping[str, Any] = predictors[0].signature.input_fields if predictors else {}
    if isinstance(module, dspy.MultiChainComparison):  # it fills these in itself, from `completions`
        return {name: field for name, field in fields.items() if not name.startswith("reasoning_attempt_")}
    return fields


def _says_its_inputs(module: dspy.Module) -> bool:
    """Whether `_declared` are inputs of the module, and not only of a predictor inside a person's forward()."""
    inner = getattr(module, "module", None)
    if isinstance(inner, dspy.Module):
        return _says_its_inputs(inner)
    own = hasattr(getattr(module, "signature", None), "input_fields")
    return own or type(module).__module__.startswith("dspy.")


def _fields(module: dspy.Module) -> dict[str, Any]:
    """Name -> annotation of all input fields in the program; the first that is more than text counts."""
    found: dict[str, Any] = {}
    signatures = [_declared(module), *(predictor.signature.input_fields for predictor in module.predictors())]
    for fields in signatures:
        for name, field in fields.items():
            if found.get(name, str) is str:
                found[name] = field.annotation
    return found


def as_dspy(example: Example, types: Mapping[str, Any] | None = None, folders: Sequence[Path] = ()) -> dspy.Example:
    """The row as DSPy programs and metrics know it.

    Args:
        types: Annotations of the inputs. Labels stay as they stand in the file.
        folders: Where relative paths of images and other files are looked up.

    Raises:
        BadInput: an input names a file that is not there.
    """
    known = types or {}
    inputs = {name: decode(value, known.get(name, Any), folders) for name, value in example.inputs.items()}
    labels = {name: decode(value) for name, value in example.labels.items()}
    # Not as keywords: dspy.Example has parameters of its own, and would swallow a column called `base`.
    return dspy.Example({**inputs, **labels}).with_inputs(*inputs)


def call(module: dspy.Module, row: dspy.Example, names: Sequence[str]) -> Any:
    """What `module` answers on the inputs `names` of `row`. A program that can only be awaited is awaited."""
    inputs = {name: row[name] for name in names}
    if is_awaited(module):
        return asyncio.run(module.acall(**inputs))
    if _POSITIONAL & inputs.keys() and (entry := entry_of(module)) is not None:
        bound = inspect.signature(entry).bind(**inputs)
        answer = module(*bound.args, **bound.kwargs)
    else:
        answer = module(**inputs)
    return asyncio.run(_result(answer)) if inspect.isawaitable(answer) else answer


def is_awaited(module: dspy.Module) -> bool:
    """Whether `module` has an aforward() and no forward()."""
    entry = entry_of(module)
    return entry is not None and getattr(entry, "__name__", "") == "aforward"


async def _result(answer: Awaitable[Any]) -> Any:
    return await answer
