"""The source code of a program as DSPy's proposer is shown it: its signatures, its inner modules, and itself."""

import contextlib
import io
from typing import Any

import dspy
from dspy.predict.parameter import Parameter
from dspy.propose.utils import get_dspy_source_code

__all__ = ["program_code"]


def program_code(module: dspy.Module, source: str | None) -> str | None:
    """`dspy.propose.utils.get_dspy_source_code(module)`, which says nothing and looks at no attribute but predictors
    and modules: it walks whatever can be iterated, an endless iterator as well.

    Args:
        source: The code of the module's class, for a module that DSPy cannot read or has no code for.
    """
    if isinstance(written := getattr(module, "source_text", None), str):
        return written  # a program without code of its own
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = str(get_dspy_source_code(_readable(module, set())))
    except Exception:  # noqa: BLE001 - DSPy then proposes without it, whatever it was
        return source
    return found if found.strip() else _signatures(module)


def _signatures(module: dspy.Module) -> str | None:
    texts = [str(predictor.signature) for predictor in module.predictors()]
    return "\n\n".join(texts) or None


def _readable(module: dspy.Module, seen: set[int]) -> Any:
    """A stand-in of the module's class with its predictors and modules only."""
    twin = object.__new__(type(module))
    twin.__dict__.update(
        (name, kept)
        for name, value in vars(module).items()
        if (kept := _kept(value, seen | {id(module)})) is not None
    )
    return twin


def _kept(value: Any, seen: set[int]) -> Any:
    if isinstance(value, Parameter):
        return value
    if isinstance(value, dspy.Module):
        return None if id(value) in seen else _readable(value, seen)
    if isinstance(value, list | tuple):
        return [kept for item in value if (kept := _kept(item, seen)) is not None]
    return None
