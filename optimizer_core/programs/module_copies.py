"""Copies of programs. A copy shares nothing with the program that a candidate, or a run of it, changes.

As with `dspy.Module.deepcopy` a copy keeps what cannot be copied (a lock, a connection, an HTTP client) by reference.
Unlike there, predictors are never shared between copies, also those in a list beside such an object; one predictor at
two places stays one; and the modules' callbacks, which pickling leaves out, are kept. Models are the same objects in
all copies. A function that was made around the program asks the copy (`closures`).
"""

import copy
from collections.abc import Sequence
from typing import Any

import dspy
from dspy.primitives.base_module import BaseModule

from mipro_studio.optimizer_core.programs.closures import Closures

__all__ = ["copy_module"]

Memo = dict[int, Any]

_shared: Memo = {}
"""What refused to be copied, kept alive so that its id stays its own: half a copy may complain when it is freed."""


def copy_module(module: dspy.Module) -> dspy.Module:
    """A copy of `module` with predictors of its own."""
    inside = [inner for _, inner in module.named_sub_modules()]  # which looks at all that the program holds
    closures = Closures(inside)
    memo = {**_fixed(inside), **closures.memo}
    try:
        made = copy.deepcopy(module, memo)
    except Exception:  # noqa: BLE001 - anything in a person's program may refuse to be copied, in any way
        memo = {**_fixed(inside), **closures.memo}
        made = _copy(module, memo)
    closures.close(memo)
    for inner in inside:
        if isinstance(inner, dspy.Module) and (twin := memo.get(id(inner))) is not None:
            twin.callbacks = list(getattr(inner, "callbacks", ()))
    return made  # type: ignore[no-any-return]


def _fixed(inside: Sequence[BaseModule]) -> Memo:
    """What is its own copy: every model that a module in the program holds, and what refused to be copied before."""
    held = (value for inner in inside for value in vars(inner).values())
    return {**_shared, **{id(value): value for value in held if isinstance(value, dspy.BaseLM)}}


def _copy(value: Any, memo: Memo) -> Any:
    """`value` copied as far as it goes: modules and containers part by part, the rest whole or not at all."""
    if id(value) in memo:
        return memo[id(value)]
    if isinstance(value, BaseModule):
        return _copy_parts(value, memo)
    made: Any
    if type(value) in (list, dict):
        made = memo[id(value)] = type(value)()
        if isinstance(value, list):
            made.extend(_copy(item, memo) for item in value)
        else:
            made.update({_copy(key, memo): _copy(item, memo) for key, item in value.items()})
    elif type(value) in (tuple, set, frozenset):
        made = memo[id(value)] = type(value)(_copy(item, memo) for item in value)
    else:
        made = _copy_whole(value, memo)
    return made


def _copy_parts(module: BaseModule, memo: Memo) -> Any:
    kind: Any = type(module)
    made = memo[id(module)] = kind.__new__(kind)
    fresh: dict[str, Any] = {"history": [], "callbacks": []}
    vars(made).update(
        {name: fresh[name] if name in fresh else _copy(item, memo) for name, item in vars(module).items()}
    )
    return made


def _copy_whole(value: Any, memo: Memo) -> Any:
    attempt = dict(memo)  # half a copy must not be found by what comes after
    try:
        made = copy.deepcopy(value, attempt)
    except Exception:  # noqa: BLE001 - as above
        memo[id(value)] = _shared[id(value)] = value
        return value
    memo.update(attempt)
    return made
