"""Models for the roles: a `dspy.LM` whose every attempt is metered, capped, retried and classified."""

import os
import random
import threading
import time
from typing import Any

import dspy
from dspy.utils.exceptions import (
    AdapterParseError,
    ContextWindowExceededError,
    LMAuthError,
    LMBillingError,
    LMError,
    LMInvalidRequestError,
    LMNotConfiguredError,
    LMProviderError,
    LMRateLimitError,
    LMTransportError,
    LMUnsupportedModelError,
)

from mipro_studio.optimizer_core.config import EMBEDDED, ModelSpec
from mipro_studio.optimizer_core.errors import BadInput, ModelUnavailable, StudioError
from mipro_studio.optimizer_core.models.engines import native_engine, prices_usd_per_token
from mipro_studio.optimizer_core.models.meter import CallRecord, Meter, log_call, log_failure, log_refusal
from mipro_studio.optimizer_core.types import ErrorClass, Role, Usage

__all__ = ["MeteredLM", "adapter_for", "build_lm", "classify"]

FIRST_BACKOFF_S = 0.5
LONGEST_BACKOFF_S = 30.0


def classify(error: BaseException) -> ErrorClass | None:
    """The class of a model failure; None when `error` is not one (the program's own code raised it)."""
    match error:
        case LMRateLimitError():
            return ErrorClass.RATE_LIMIT
        case LMAuthError() | LMBillingError() | LMNotConfiguredError():
            return ErrorClass.AUTH
        case ContextWindowExceededError():
            return ErrorClass.CONTEXT
        case LMUnsupportedModelError():
            return ErrorClass.MODEL
        case LMInvalidRequestError(status=404):
            return ErrorClass.MODEL
        case AdapterParseError():
            return ErrorClass.PARSE
        case LMTransportError():
            slow = "timed out" in str(error).lower() or "timeout" in str(error).lower()
            return ErrorClass.TIMEOUT if slow else ErrorClass.CONNECTION
        case LMInvalidRequestError():
            return ErrorClass.MODEL
        case LMProviderError(status=408):
            return ErrorClass.TIMEOUT
        case LMProviderError() | LMError():
            return ErrorClass.SERVER
        case _:
            return None


class MeteredLM(dspy.LM):  # type: ignore[misc]
    """A `dspy.LM` that asks the meter before each attempt and tells it what came of it.

    Retries are done here and not in DSPy, because DSPy's own are invisible: a retried call is paid for and
    counts against the caps. Pauses double from half a second, with jitter, and honour Retry-After.
    """

    def __init__(self, model: str, *, role: Role, meter: Meter, retries: int, spec: ModelSpec, **kwargs: Any) -> None:
        super().__init__(model, cache=False, num_retries=0, **kwargs)
        self._role = role
        self._meter = meter
        self._retries = retries
        self._prices = prices_usd_per_token(spec)
        self._attempt = threading.local()  # when this thread's attempt began

    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        for attempt in range(self._retries + 1):
            try:
                self._meter.admit(self._role)
            except StudioError as refusal:
                log_refusal(refusal)
                raise
            started = self._attempt.started = time.monotonic()
            try:
                return super().__call__(prompt, messages=messages, **kwargs)
            except LMError as error:
                kind = classify(error) or ErrorClass.SERVER
                again = kind.transient and attempt < self._retries
                self._meter.failed(self._role, kind, time.monotonic() - started, again)
                log_failure()
                if not again:
                    raise
                self._meter.halted.wait(_backoff_s(attempt, getattr(error, "retry_after", None)))
        raise AssertionError("the last attempt returns or raises")

    def update_history(self, entry: dict[str, Any]) -> None:
        """DSPy's hook for an answered call: everything about it in one place. Nothing is kept in memory."""
        usage = entry.get("usage") or {}
        input_tokens = int(usage.get("prompt_tokens") or 0)
        output_tokens = int(usage.get("completion_tokens") or 0)
        spent = Usage(
            calls=1,
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_usd=self._cost(entry.get("cost"), input_tokens, output_tokens),
            lm_s=time.monotonic() - self._attempt.started,
        )
        self._meter.answered(self._role, spent)
        reply = entry.get("outputs") or [""]
        first = reply[0]["text"] if isinstance(reply[0], dict) else reply[0]
        log_call(CallRecord(tuple(entry.get("messages") or ()), str(first or ""), spent))

    def _cost(self, reported: float | None, input_tokens: int, output_tokens: int) -> float | None:
        """Dollars of one call; None when neither we nor DSPy know the price."""
        if self._prices is None:
            return float(reported) if reported else None
        return input_tokens * self._prices[0] + output_tokens * self._prices[1]


def _backoff_s(attempt: int, retry_after: float | None) -> float:
    if retry_after is not None:
        return min(float(retry_after), LONGEST_BACKOFF_S)
    # The jitter keeps threads that failed together from coming back together; it decides no result.
    return min(FIRST_BACKOFF_S * 2.0**attempt, LONGEST_BACKOFF_S) * random.uniform(0.5, 1.0)


def build_lm(spec: ModelSpec, role: Role, meter: Meter, retries: int, seed: int) -> MeteredLM:
    """The model of `spec` for `role`.

    Raises:
        BadInput: the model string or a setting is not usable, or the key's variable is not set.
    """
    settings: dict[str, Any] = {"temperature": spec.temperature, "max_tokens": spec.max_tokens}
    if spec.model == EMBEDDED:
        from mipro_studio.optimizer_core.models.embedded import LM_NAME
        from mipro_studio.optimizer_core.models.embedded.engine import EmbeddedEngine

        limit = spec.max_tokens or 200
        embedded = EmbeddedEngine(seed=seed, max_tokens=limit)
        settings = {"temperature": spec.temperature or 0.0, "max_tokens": limit, "engine": embedded}
        return MeteredLM(LM_NAME, role=role, meter=meter, retries=retries, spec=spec, **settings)
    key = _key(spec)
    try:
        engine = native_engine(spec, key)
        if engine is not None:
            settings["engine"] = engine
        else:
            settings |= {"timeout": spec.timeout_s, "api_base": spec.api_base, "api_key": key}
        return MeteredLM(spec.model, role=role, meter=meter, retries=retries, spec=spec, **settings)
    except (LMError, ValueError, TypeError) as error:
        raise BadInput(f"The model {spec.model!r} cannot be used: {error}.") from error


def _key(spec: ModelSpec) -> str | None:
    if spec.api_key_env is None:
        # An endpoint of one's own often wants no key, but its client insists on one.
        return "none" if spec.api_base else None
    key = os.environ.get(spec.api_key_env)
    if not key:
        raise BadInput(
            f"The environment variable {spec.api_key_env!r} that should hold the key of {spec.model!r} is not set.",
            "Set it and start again.",
        )
    return key


def adapter_for(spec: ModelSpec) -> Any:
    """How prompts are written for the model: compact for the embedded one, DSPy's ChatAdapter otherwise."""
    if spec.model != EMBEDDED:
        return dspy.ChatAdapter()
    try:
        from mipro_studio.optimizer_core.models.embedded import CompactAdapter
    except ImportError as error:
        raise ModelUnavailable(
            "The embedded model needs the package xllamacpp, which cannot be imported.",
            "Install requirements.txt, or use an endpoint.",
        ) from error
    return CompactAdapter()
