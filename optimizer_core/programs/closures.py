"""Functions that a program's __init__ made around a part of it, as a tool of an agent often is, for a copy of it.

Copied by reference, as Python copies functions, such a one would ask the steps of the program that was copied.
"""

import copy
import functools
from collections.abc import Iterator, Mapping, Sequence
from types import CellType, FunctionType, MethodType
from typing import Any

import dspy
from dspy.primitives.base_module import BaseModule

__all__ = ["Closures"]


_PLAIN = {str, bytes, int, float, bool, type(None)}
"""Passed over: a program may hold a corpus."""


class Closures:
    """The functions in a program that enclose a part of it, each with a twin whose cells are filled by `close`.

    Args:
        inside: The program and the modules in it.
    """

    def __init__(self, inside: Sequence[BaseModule]) -> None:
        held = (value for inner in inside for value in vars(inner).values())
        self._parts = {id(inner) for inner in inside}
        self._twins: dict[int, tuple[FunctionType, FunctionType]] = {}
        for function in [found for value in held for found in _functions(value)]:
            if id(function) not in self._twins and any(map(self._is_own, _cells(function).values())):
                self._twins[id(function)] = (function, self._hollow(function))

    @property
    def memo(self) -> Mapping[int, Any]:
        """What `copy.deepcopy` is to take in place of them."""
        return {key: twin for key, (_, twin) in self._twins.items()}

    def close(self, memo: dict[int, Any]) -> None:
        """Fill the twins' cells with the copies in `memo`."""
        for function, twin in self._twins.values():
            for place, value in _cells(function).items():
                if self._is_own(value):
                    (twin.__closure__ or ())[place].cell_contents = copy.deepcopy(value, memo)

    def _is_own(self, value: Any) -> bool:
        """Whether a cell holds a part of the program, a method of one, or a function with a twin."""
        owner = value.__self__ if isinstance(value, MethodType) else value
        return id(owner) in self._parts or id(value) in self._twins

    def _hollow(self, function: FunctionType) -> FunctionType:
        """A copy that shares all cells but those of the program: what functions count together stays one."""
        cells = list(function.__closure__ or ())
        for place, value in _cells(function).items():
            if self._is_own(value):
                cells[place] = CellType()
        made = FunctionType(
            function.__code__, function.__globals__, function.__name__, function.__defaults__, tuple(cells)
        )
        made.__kwdefaults__, made.__annotations__ = function.__kwdefaults__, function.__annotations__
        made.__qualname__, made.__module__, made.__doc__ = (
            function.__qualname__,
            function.__module__,
            function.__doc__,
        )
        vars(made).update(vars(function))
        return made


def _functions(value: Any, above: frozenset[int] = frozenset()) -> Iterator[FunctionType]:
    """Functions in an attribute: itself, in containers, tools and partials; those that one encloses before it."""
    if id(value) in above:
        return
    inner: Any = ()
    if isinstance(value, FunctionType):
        inner = _cells(value).values()
    elif type(value) in (list, tuple):
        inner = value
    elif type(value) is dict:
        inner = value.values()
    elif isinstance(value, dspy.Tool | functools.partial):
        inner = (value.func,)
    for one in inner:
        if type(one) not in _PLAIN:
            yield from _functions(one, above | {id(value)})
    if isinstance(value, FunctionType):
        yield value


def _cells(function: FunctionType) -> dict[int, Any]:
    """Contents of its cells by their place; one may be empty still."""
    found = {}
    for place, cell in enumerate(function.__closure__ or ()):
        try:
            found[place] = cell.cell_contents
        except ValueError:
            continue
    return found
