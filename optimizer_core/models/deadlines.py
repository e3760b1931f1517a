"""A deadline for calls that go through LiteLLM, whose timeout is for the wait for the next byte only."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextvars import copy_context
from typing import Any

from dspy.utils.exceptions import LMTimeoutError

__all__ = ["awaited_within", "within"]


def within(seconds_s: float | None, call: Callable[[], Any], model: str) -> Any:
    """What `call()` returns in time. It is made in a thread that nobody waits for any more when it is late.

    Raises:
        LMTimeoutError: it is late.
    """
    answer: Future[Any] = Future()

    def make() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            answer.set_exception(error)

    threading.Thread(target=copy_context().run, args=(make,), name="call", daemon=True).start()
    try:
        return answer.result(seconds_s)
    except TooLate:
        if answer.done():  # the call itself raised a TimeoutError
            raise
        raise _late(seconds_s, model) from None


async def awaited_within(seconds_s: float | None, call: Awaitable[Any], model: str) -> Any:
    """`within` for a task of an event loop."""
    try:
        return await asyncio.wait_for(call, seconds_s)
    except TimeoutError:
        raise _late(seconds_s, model) from None


def _late(seconds_s: float | None, model: str) -> LMTimeoutError:
    return LMTimeoutError(f"timed out: no whole reply within {seconds_s} s", model=model)
