"""Why a model call failed: DSPy's errors as the classes that a cell, the meter and a person go by."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dspy import lm15
from dspy.utils.exceptions import (
    AdapterParseError,
    ContextWindowExceededError,
    LMAuthError,
    LMBillingError,
    LMConfigurationError,
    LMError,
    LMInvalidRequestError,
    LMNotConfiguredError,
    LMProviderError,
    LMRateLimitError,
    LMTimeoutError,
    LMTransportError,
    LMUnexpectedError,
    LMUnsupportedFeatureError,
    LMUnsupportedModelError,
)

from mipro_studio.optimizer_core.models.calls import CallRecord
from mipro_studio.optimizer_core.types import ErrorClass

__all__ = ["MALFORMED", "TOO_LARGE", "classify", "refusal_in"]

MALFORMED = "malformed_reply"
TOO_LARGE = "reply_too_large"
"""Provider codes of the errors that our engine raises for replies that are none."""

_REFUSED = re.compile(
    r"content.?(filter|policy|management|moderation)|responsible.?ai|moderation|flagged|safety|unsafe|harmful|guardrail|"
    r"prohibited.content|recitation|blocklist|spii|data.?inspection|inappropriate|sensitive.(content|information|words?)|"
    r"(prompt|request|input|output|content|response|candidate|message)s? (was |were |is |has been |have been )?"
    r"(blocked|refused)|violat(es?|ed|ing|ion).{0,40}(polic|guideline|terms)",
    re.I,
)
"""What providers say when a filter, and not the endpoint, refuses a request: the status is 400, 403, 422 or 451."""

UNAVAILABLE_FOR_LEGAL_REASONS = 451

_TOO_LONG = re.compile(
    r"context.?(length|window|size)|maximum.{0,40}tokens|too many (input )?tokens|(prompt|input).{0,20}too long", re.I
)


def classify(error: BaseException, calls: Sequence[CallRecord] = ()) -> ErrorClass | None:
    """The class of a model failure; None when `error` is not one (the program's own code raised it).

    Args:
        calls: The answered calls of the program run; the last may have been answered by a filter.
    """
    if isinstance(error, AdapterParseError):
        if calls and calls[-1].refusal:
            return ErrorClass.REFUSAL
        return ErrorClass.EMPTY if "empty or null response" in str(error) else ErrorClass.PARSE
    return _class_of(error) if isinstance(error, LMError) else None


_BY_TYPE: Sequence[tuple[type[LMError], ErrorClass]] = (
    (LMRateLimitError, ErrorClass.RATE_LIMIT),
    (ContextWindowExceededError, ErrorClass.CONTEXT),
    (LMUnsupportedModelError, ErrorClass.MODEL),
    (LMTimeoutError, ErrorClass.TIMEOUT),
    (LMBillingError, ErrorClass.AUTH),
    (LMNotConfiguredError, ErrorClass.AUTH),
    (LMConfigurationError, ErrorClass.REQUEST),
    (LMUnsupportedFeatureError, ErrorClass.REQUEST),
    (LMUnexpectedError, ErrorClass.MALFORMED),
)
"""The first that fits; the others have to be looked at."""


def _class_of(error: LMError) -> ErrorClass:
    for kind, found in _BY_TYPE:
        if isinstance(error, kind):
            return found
    said = f"{error.provider_code or ''} {error}"
    match error:
        case LMAuthError():
            return ErrorClass.REFUSAL if error.status != 401 and _REFUSED.search(said) else ErrorClass.AUTH
        case LMTransportError():
            slow = "timed out" in said.lower() or "timeout" in said.lower()
            return ErrorClass.TIMEOUT if slow else ErrorClass.CONNECTION
        case LMInvalidRequestError(status=404):
            return ErrorClass.MODEL
        case LMProviderError() if error.status == 200 or error.provider_code in (MALFORMED, TOO_LARGE):
            return ErrorClass.MALFORMED
        case LMProviderError() if isinstance(error, LMInvalidRequestError) or 400 <= (error.status or 0) < 500:
            return _of_a_request(said, error.status)
        case _:
            return ErrorClass.SERVER


def _of_a_request(said: str, status: int | None) -> ErrorClass:
    """The endpoint does not take this request; that says nothing about others."""
    if status == UNAVAILABLE_FOR_LEGAL_REASONS or _REFUSED.search(said):
        return ErrorClass.REFUSAL
    return ErrorClass.CONTEXT if _TOO_LONG.search(said) else ErrorClass.REQUEST


_FILTERED = "content_filter"
_CUT = re.compile(r"content.?filter|refus|safety|sensitive|block(ed|list)|prohibited|recitation|guardrail|spii", re.I)
"""Reasons that endpoints give for the end of a reply that a filter has cut or kept back, whoever speaks like whom."""


def refusal_in(response: Any) -> str:
    """The words of a refusal in an answered call, or that a filter cut the reply; empty for any other reply."""
    if isinstance(response, tuple):  # of several completions
        return next(filter(None, map(refusal_in, response)), "")
    if isinstance(response, lm15.Response):
        said = [part.text for part in response.message.parts if part.type == "refusal"]
        ends = [response.finish_reason, *_ends(response.provider_data)]
        return said[0] if said else _FILTERED if any(map(_CUT.search, ends)) else ""
    for choice in getattr(response, "choices", None) or ():  # LiteLLM's
        message = getattr(choice, "message", None)
        fields = getattr(message, "provider_specific_fields", None) or {}
        refused = getattr(message, "refusal", None) or fields.get("refusal")
        if refused or _CUT.search(str(getattr(choice, "finish_reason", None) or "")):
            return str(refused or _FILTERED)
    return ""


def _ends(body: Any) -> Iterator[str]:
    """Why the choices in a reply ended, in the endpoint's own words: what DSPy does not know it calls a stop."""
    choices = body.get("choices") if isinstance(body, Mapping) else None
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, Mapping) and isinstance(reason := choice.get("finish_reason"), str):
            yield reason
