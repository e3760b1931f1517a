"""Models that a program brings along or a metric asks: no role's, and yet counted, capped and logged.

Their calls are counted under the role whose program run they are made in. Such a model keeps what its author gave it:
its cache, its number of retries, its callbacks.
"""

import functools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import dspy
from dspy.utils.callback import with_callbacks

from mipro_studio.optimizer_core.environment import conventional, withhold
from mipro_studio.optimizer_core.models.attempts import Asking, aask, account_of, ask, current_attempt
from mipro_studio.optimizer_core.models.calls import current_log
from mipro_studio.optimizer_core.secrets import keys_among, learn

__all__ = ["PLAIN_ACALL", "PLAIN_CALL", "asking_of", "count_foreign_models"]

PLAIN_CALL = dspy.BaseLM.__call__.__wrapped__
PLAIN_ACALL = dspy.BaseLM.acall.__wrapped__
"""A call as DSPy makes it, without its callbacks: they hear of a call once, whatever the number of attempts."""

_plain_init = dspy.LM.__init__
_keep_history = dspy.BaseLM.update_history


def count_foreign_models() -> None:
    """Let every model of this process be counted, from now on."""
    dspy.BaseLM.__call__, dspy.BaseLM.acall = _called, _acalled
    dspy.BaseLM.update_history = _answered
    dspy.BaseLM.num_retries = _Retries()
    dspy.LM.__init__ = _made


@functools.wraps(_plain_init)
def _made(self: Any, *args: Any, **kwargs: Any) -> None:
    """A key that stands in a program's own code is one that nobody may see, as those of the environment."""
    learn(*keys_among(kwargs))
    withhold(conventional(str(args[0] if args else kwargs.get("model", ""))))
    _plain_init(self, *args, **kwargs)


@with_callbacks  # type: ignore[untyped-decorator]
def _called(self: Any, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
    asking = asking_of(self, kwargs)
    if asking is None:
        return PLAIN_CALL(self, prompt, messages=messages, **kwargs)
    return ask(asking, lambda: PLAIN_CALL(self, prompt, messages=messages, **kwargs))


@with_callbacks  # type: ignore[untyped-decorator]
async def _acalled(self: Any, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
    asking = asking_of(self, kwargs)
    if asking is None:
        return await PLAIN_ACALL(self, prompt, messages=messages, **kwargs)
    return await aask(asking, lambda: PLAIN_ACALL(self, prompt, messages=messages, **kwargs))


def asking_of(lm: Any, kwargs: Mapping[str, Any]) -> Asking | None:
    """How to ask `lm` in the program run that is under way; None where nobody counts, or another model asks it."""
    log = current_log()
    account = getattr(lm, "account", None)  # the program's own model in a role
    if account is None and log is not None and (owner := account_of(log)) is not None:
        # What such a model costs is what DSPy says: the prices of a role are those of the role's own model.
        account = replace(owner, prices=None)
    if account is None or current_attempt() is not None:
        return None
    # DSPy tries a model with a forward() of its own once.
    retries = lm.num_retries if isinstance(lm, dspy.LM) and type(lm).forward is dspy.LM.forward else 0
    return Asking(lm, account, retries, cached=bool(kwargs.get("cache", getattr(lm, "cache", False))))


class _Retries:
    """A model's `num_retries`: none while we make its attempts, as we make the others too."""

    def __get__(self, lm: Any, kind: type | None = None) -> Any:
        if lm is None:
            return self
        attempt = current_attempt()
        return 0 if attempt is not None and attempt.lm is lm else lm.__dict__["num_retries"]

    def __set__(self, lm: Any, number: int) -> None:
        lm.__dict__["num_retries"] = number


def _answered(self: Any, entry: dict[str, Any]) -> None:
    """DSPy's hook for an answered call: everything about it in one place."""
    attempt = current_attempt()
    if attempt is not None and attempt.lm is self:
        attempt.answered(entry)
    if attempt is None or not attempt.hidden:
        _keep_history(self, entry)
