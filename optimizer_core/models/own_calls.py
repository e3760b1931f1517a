"""Models whose class answers a call by itself, past the one that `dspy.BaseLM` makes: counted like all others.

What they report is not known, so their tokens are estimated as for every reply without a usage.
"""

import functools
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any

import dspy

from mipro_studio.optimizer_core.models.attempts import Asking, aask, ask, current_attempt
from mipro_studio.optimizer_core.models.foreign import asking_of

__all__ = ["count_own_calls"]

OURS = __name__.partition(".")[0]
"""The package whose classes count by themselves."""


def count_own_calls() -> None:
    """Let the calls of every subclass be counted: those that there are, and those that a person's code defines."""
    for kind in [*_subclasses(dspy.BaseLM)]:
        _count(kind)
    dspy.BaseLM.__init_subclass__ = classmethod(_defined)


def _subclasses(kind: Any) -> Iterator[Any]:
    for inner in kind.__subclasses__():
        yield inner
        yield from _subclasses(inner)


def _defined(kind: Any, /, **settings: Any) -> None:
    super(dspy.BaseLM, kind).__init_subclass__(**settings)
    _count(kind)


def _count(kind: Any) -> None:
    own = vars(kind)
    if kind.__module__.partition(".")[0] == OURS:
        return
    if "__call__" in own:
        kind.__call__ = _counted(own["__call__"])
    if "acall" in own:
        kind.acall = _acounted(own["acall"])


def _counted(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def counted(lm: Any, *args: Any, **kwargs: Any) -> Any:
        asking = _asking(lm, kwargs)
        if asking is None:
            return call(lm, *args, **kwargs)
        return ask(asking, lambda: _noted(lm, call(lm, *args, **kwargs), args, kwargs))

    return counted


def _acounted(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(call)
    async def counted(lm: Any, *args: Any, **kwargs: Any) -> Any:
        asking = _asking(lm, kwargs)
        if asking is None:
            return await call(lm, *args, **kwargs)

        async def made() -> Any:
            return _noted(lm, await call(lm, *args, **kwargs), args, kwargs)

        return await aask(asking, made)

    return counted


def _asking(lm: Any, kwargs: dict[str, Any]) -> Asking | None:
    asking = asking_of(lm, kwargs)
    return None if asking is None else replace(asking, retries=0, cached=False)


def _noted(lm: Any, outputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """`outputs`, told to the attempt that they answer where DSPy's history has not told it."""
    attempt = current_attempt()
    if attempt is not None and attempt.lm is lm and not attempt.noted:
        prompt = kwargs.get("prompt") or next(iter(args), "")
        messages = kwargs.get("messages") or [{"role": "user", "content": str(prompt)}]
        attempt.answered({"messages": messages, "outputs": outputs if isinstance(outputs, list) else [str(outputs)]})
    return outputs
