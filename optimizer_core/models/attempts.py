"""One attempt of one model call: admitted by the meter before it is made, noted by meter and call log after.

`ask` and `aask` make attempts until one is answered. Retries are made here and not in DSPy, because DSPy's own are
invisible: a retried call is paid for and counts against the caps. Pauses double from half a second, with jitter, and
honour Retry-After.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import dspy
from dspy.utils.exceptions import LMError

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.models.calls import CallLog, CallRecord, current_log, refuse_open_logs
from mipro_studio.optimizer_core.models.classes import classify, refusal_in
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.sharing.call_limits import endpoint_of
from mipro_studio.optimizer_core.models.sharing.endpoint_limit import CallEnd
from mipro_studio.optimizer_core.models.tokens import count_tokens, message_texts, reported
from mipro_studio.optimizer_core.telemetry import Told, span
from mipro_studio.optimizer_core.types import ErrorClass, Role, Usage

__all__ = ["Account", "Asking", "aask", "account_of", "ask", "current_attempt"]

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0
LONGEST_RETRY_AFTER_S = 300.0
_LOOK_S = 0.1
"""How often a waiting task looks whether the run is being halted."""


@dataclass(frozen=True)
class Account:
    """What calls are counted under.

    Args:
        prices: (input, output) dollars a token; None = whatever DSPy reports, if it does.
    """

    meter: Meter
    role: Role
    prices: tuple[float, float] | None = None

    def cost_usd(self, reported: float | None, input_tokens: int, output_tokens: int) -> float | None:
        """Dollars of one call; None when neither we nor DSPy know the price."""
        if self.prices is None:
            return float(reported) if reported else None
        return input_tokens * self.prices[0] + output_tokens * self.prices[1]


@dataclass(frozen=True)
class Asking:
    """How a model is asked.

    Args:
        retries: Further attempts of a call that failed for a reason that passes.
        requests: Requests to the endpoint that one attempt makes.
        cached: DSPy may know the answer, which then costs nothing and is no call.
    """

    lm: Any
    account: Account
    retries: int
    requests: int = 1
    cached: bool = False

    @property
    def endpoint(self) -> str:
        """What the call is limited together with others at."""
        return endpoint_of(self.lm)


class Attempt:
    """An admitted attempt, as a context manager around it.

    Attributes:
        hidden: The person has switched DSPy's history off, which the meter learns from.
        noted: The answer has been taken up.
    """

    def __init__(self, asking: Asking, role: Role) -> None:
        """
        Args:
            role: What the meter counts it under.
        """
        self.lm = asking.lm
        self._role = role
        self.hidden = bool(dspy.settings.disable_history)
        self.noted = False
        self._asking = asking
        self._paid = not asking.cached
        self._started = time.monotonic()
        self._ends = ExitStack()
        self._span = Told()

    def __enter__(self) -> "Attempt":
        self._span = self._ends.enter_context(_span_of(self._asking, self._role))
        token = _attempt.set(self)
        self._ends.callback(_attempt.reset, token)
        if self.hidden or not self._paid:
            tracker = _Tracker(self, dspy.settings.usage_tracker)
            self._ends.enter_context(dspy.context(disable_history=False, usage_tracker=tracker))
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is not None:
            self._span.failed(_class_of(error))
        self._ends.close()
        asking = self._asking
        end = _end(error, self._started, self._role, self._paid)
        asking.account.meter.leave(self._role, asking.requests, asking.endpoint, end)

    def paid(self) -> None:
        """The answer did not come out of a cache."""
        self._paid = True

    def answered(self, entry: Mapping[str, Any]) -> None:
        """Take up what DSPy's history says of the answered call."""
        self.noted = True
        spent = self._spent(entry) if self._paid else Usage()
        self._span.note(
            gen_ai__usage__input_tokens=spent.input_tokens,
            gen_ai__usage__output_tokens=spent.output_tokens,
            gen_ai__response__model=str(entry.get("response_model") or entry.get("model") or "") or None,
            mipro_studio__cost_usd=spent.cost_usd,
            mipro_studio__cached=None if self._paid else True,
        )
        meter = self._asking.account.meter
        meter.answered(self._role, spent)
        if not self._paid:
            meter.take_back(self._role, self._asking.requests)
        if (log := current_log()) is not None:
            reply = entry.get("outputs") or [""]
            first = reply[0]["text"] if isinstance(reply[0], dict) else reply[0]
            messages = tuple(entry.get("messages") or ())
            refusal = refusal_in(entry.get("response"))
            log.add(CallRecord(messages, str(first or ""), spent, refusal, _predictor()))

    def _spent(self, entry: Mapping[str, Any]) -> Usage:
        input_tokens, output_tokens, estimated = _tokens(entry, self._asking.requests)
        cost_usd = self._asking.account.cost_usd(entry.get("cost"), input_tokens, output_tokens)
        seconds_s = time.monotonic() - self._started
        return Usage(self._asking.requests, 0, input_tokens, output_tokens, cost_usd, seconds_s, estimated)

    def failed(self, error: LMError, again: bool) -> bool:
        """Take up a failure; whether there is to be another attempt, given that there may be."""
        kind = classify(error) or ErrorClass.SERVER
        again = again and kind.transient
        self._asking.account.meter.failed(self._role, kind, time.monotonic() - self._started, again)
        if (log := current_log()) is not None:
            log.add_failure()
        return again


def _end(error: BaseException | None, began: float, role: Role, paid: bool) -> CallEnd:
    if not isinstance(error, LMError):
        return CallEnd(began, role, failed=error is not None or not paid)  # what a cache knew says nothing
    refused = error.retry_after is not None or classify(error) is ErrorClass.RATE_LIMIT
    return CallEnd(began, role, refused, not refused, error.retry_after)


def _span_of(asking: Asking, role: Role) -> AbstractContextManager[Told]:
    """The span of one attempt."""
    provider, _, model = str(getattr(asking.lm, "model", "")).partition("/")
    return span(
        f"chat {model or provider}",
        outward=True,
        gen_ai__operation__name="chat",
        gen_ai__provider__name=provider,
        gen_ai__request__model=model or provider,
        mipro_studio__role=role.value,
    )


def _class_of(error: BaseException) -> str:
    kind = classify(error) if isinstance(error, LMError) else None
    return kind.value if kind is not None else type(error).__name__


def _predictor() -> Any:
    """The predictor that is being called, if one is."""
    callers = dspy.settings.caller_modules or ()
    return callers[-1] if callers and isinstance(callers[-1], dspy.Predict) else None


_attempt: ContextVar[Attempt | None] = ContextVar("attempt", default=None)


def current_attempt() -> Attempt | None:
    """The attempt that this thread or task is making."""
    return _attempt.get()


def _tokens(entry: Mapping[str, Any], requests: int) -> tuple[int, int, int]:
    """(in, out, those of both that are estimates) of an answered call."""
    usage, estimated = entry.get("usage"), 0
    given = reported(usage, "prompt_tokens") or reported(usage, "input_tokens")
    made = reported(usage, "completion_tokens") or reported(usage, "output_tokens")
    if not given:  # there is no prompt of 0 tokens
        texts, more = message_texts(entry.get("messages") or [{"content": entry.get("prompt")}])
        given = (count_tokens(texts) + more) * requests
        estimated += given
    if not made:
        made = count_tokens(_reply_texts(entry.get("outputs") or ()))
        estimated += made
    return given, made, estimated


def _reply_texts(outputs: Iterable[Any]) -> list[str]:
    parts = (output.values() if isinstance(output, Mapping) else (output,) for output in outputs)
    return [part if isinstance(part, str) else repr(part) for found in parts for part in found if part]


class _Tracker:
    """Stands in for DSPy's usage tracker, which hears of a call only if it was paid for."""

    def __init__(self, attempt: Attempt, tracker: Any) -> None:
        self._attempt = attempt
        self._tracker = tracker

    def add_usage(self, lm: str, usage: dict[str, Any]) -> None:
        self._attempt.paid()
        if self._tracker is not None:
            self._tracker.add_usage(lm, usage)


def account_of(log: CallLog) -> Account | None:
    """What a program run's calls are counted under: the account of its model."""
    return getattr(log.settings.get("lm"), "account", None)


def _refused(asking: Asking, refusal: StudioError) -> None:
    """Let those know whose call it was, or may have been, that it is not made."""
    meter, log = asking.account.meter, current_log()
    if log is None or log.outlived:
        refuse_open_logs(refusal, lambda other: (owner := account_of(other)) is not None and owner.meter is meter)
    else:
        log.refuse(refusal)


def _begun(asking: Asking, role: Role) -> Attempt:
    log = current_log()
    if log is not None and log.ended:
        log.outlived = True
    return Attempt(asking, role)


def _admitted(asking: Asking) -> Attempt:
    try:
        role = asking.account.meter.enter(asking.account.role, asking.requests, asking.endpoint)
    except StudioError as refusal:
        _refused(asking, refusal)
        raise
    return _begun(asking, role)


async def _admitted_async(asking: Asking) -> Attempt:
    try:
        role = await asking.account.meter.enter_async(asking.account.role, asking.requests, asking.endpoint)
    except StudioError as refusal:
        _refused(asking, refusal)
        raise
    return _begun(asking, role)


def ask(asking: Asking, call: Callable[[], Any]) -> Any:
    """What `call()` returns, once the meter has admitted it; tried again when it fails for a reason that passes.

    Raises:
        StudioError: the meter refuses.
        LMError: the last attempt's.
    """
    number = 0
    while True:
        attempt = _admitted(asking)
        try:
            with attempt:
                return call()
        except LMError as error:
            if not attempt.failed(error, number < asking.retries):
                raise
            pause_s = _pause_s(number, error)
        asking.account.meter.halted.wait(pause_s)
        number += 1


async def aask(asking: Asking, call: Callable[[], Awaitable[Any]]) -> Any:
    """`ask` for a task of an event loop, which goes on while this waits."""
    number = 0
    while True:
        attempt = await _admitted_async(asking)
        try:
            with attempt:
                return await call()
        except LMError as error:
            if not attempt.failed(error, number < asking.retries):
                raise
            until = time.monotonic() + _pause_s(number, error)
        while (left_s := until - time.monotonic()) > 0 and not asking.account.meter.halted.is_set():
            await asyncio.sleep(min(left_s, _LOOK_S))
        number += 1


def _pause_s(number: int, error: LMError) -> float:
    """Seconds before the next attempt."""
    if error.retry_after is not None:
        return float(min(error.retry_after, LONGEST_RETRY_AFTER_S))
    # The jitter keeps threads that failed together from coming back together; it decides no result.
    return min(FIRST_BACKOFF_S * 2.0**number, LONGEST_BACKOFF_S) * random.uniform(0.5, 1.0)
