"""A deadline and a size for calls that go through LiteLLM, whose timeout is for the wait for the next byte only."""

import asyncio
import functools
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Any

import httpx
from dspy.utils.exceptions import LMError, LMProviderError, LMTimeoutError

from mipro_studio.optimizer_core.models.classes import TOO_LARGE

__all__ = ["MOST_BYTES", "awaited_within", "bound_replies", "packed_again", "within"]

MOST_BYTES = 16 * 1024 * 1024


@dataclass
class _Bound:
    """How long a call may go on reading, and how much. `over`: it was more."""

    until: float
    left: int
    over: bool = False

    def take(self, chunk: bytes) -> bytes:
        """`chunk`, unless it is one too many: nobody waits for the call any more, or its reply has no end.

        Raises:
            httpx.ReadTimeout, httpx.ReadError: as for a connection that is lost.
        """
        if time.monotonic() > self.until:
            raise httpx.ReadTimeout("timed out before the reply was complete")
        self.left -= len(chunk)
        if self.left < 0:
            self.refuse()
        return chunk

    def refuse(self) -> None:
        self.over = True
        raise httpx.ReadError("The reply is longer than an answer can be.")


_bound: ContextVar[_Bound | None] = ContextVar("bound", default=None)


def packed_again(encodings: Sequence[str]) -> bool:
    """Whether a reply is compressed more than once, by its `Content-Encoding` headers: nobody does that in earnest,
    and one piece of it may unpack to more than there is memory before anybody can count."""
    codings = [coding.strip().lower() for line in encodings for coding in line.split(",")]
    return len([coding for coding in codings if coding not in ("", "identity")]) > 1


def bound_replies() -> None:
    """Let the replies to calls of this module end, from now on: a call that is late would otherwise be read on."""
    if not hasattr(httpx.Response.iter_bytes, "__wrapped__"):
        httpx.Response.iter_bytes = _bounded(httpx.Response.iter_bytes)  # type: ignore[method-assign]
        httpx.Response.aiter_bytes = _bounded_async(httpx.Response.aiter_bytes)  # type: ignore[method-assign]


def _bounded(plain: Callable[..., Iterator[bytes]]) -> Callable[..., Iterator[bytes]]:
    @functools.wraps(plain)
    def iter_bytes(self: httpx.Response, chunk_size: int | None = None) -> Iterator[bytes]:
        bound = _bound.get()
        if bound is not None and packed_again(self.headers.get_list("content-encoding")):
            bound.refuse()
        for chunk in plain(self, chunk_size):
            yield chunk if bound is None else bound.take(chunk)

    return iter_bytes


def _bounded_async(plain: Callable[..., AsyncIterator[bytes]]) -> Callable[..., AsyncIterator[bytes]]:
    @functools.wraps(plain)
    async def aiter_bytes(self: httpx.Response, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        bound = _bound.get()
        if bound is not None and packed_again(self.headers.get_list("content-encoding")):
            bound.refuse()
        async for chunk in plain(self, chunk_size):
            yield chunk if bound is None else bound.take(chunk)

    return aiter_bytes


def _bound_of(seconds_s: float | None) -> _Bound:
    return _Bound(time.monotonic() + (float("inf") if seconds_s is None else seconds_s), MOST_BYTES)


def within(seconds_s: float | None, call: Callable[[], Any], model: str) -> Any:
    """What `call()` returns in time. It is made in a thread that nobody waits for any more when it is late.

    Raises:
        LMTimeoutError: it is late.
        LMProviderError: its reply is too long.
    """
    answer: Future[Any] = Future()
    bound = _bound_of(seconds_s)

    def make() -> None:
        _bound.set(bound)
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
    except Exception as error:
        if bound.over:
            raise _too_long(model) from error
        raise


async def awaited_within(seconds_s: float | None, call: Awaitable[Any], model: str) -> Any:
    """`within` for a task of an event loop."""
    bound = _bound_of(seconds_s)
    token = _bound.set(bound)
    try:
        return await asyncio.wait_for(call, seconds_s)
    except TimeoutError:
        raise _late(seconds_s, model) from None
    except Exception as error:
        if bound.over:
            raise _too_long(model) from error
        raise
    finally:
        _bound.reset(token)


def _late(seconds_s: float | None, model: str) -> LMTimeoutError:
    return LMTimeoutError(f"timed out: no whole reply within {seconds_s} s", model=model)


def _too_long(model: str) -> LMError:
    return LMProviderError("The reply is longer than an answer can be.", model=model, provider_code=TOO_LARGE)
