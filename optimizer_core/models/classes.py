"""Why a model call failed: DSPy's errors as the classes that a cell, the meter and a person go by."""

import re
from collections.abc import Sequence

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

__all__ = ["MALFORMED", "TOO_LARGE", "classify"]

MALFORMED = "malformed_reply"
TOO_LARGE = "reply_too_large"
"""Provider codes of the errors that our engine raises for replies that are none."""

_REFUSED = re.compile(
    r"content.?(filter|policy|management)|responsible.?ai|moderation|flagged|safety|unsafe|prohibited.content", re.I
)
"""What providers say when a filter, and not the endpoint, refuses a request: the status is 400, 403 or 422."""

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
            return ErrorClass.REFUSAL if error.status == 403 and _REFUSED.search(said) else ErrorClass.AUTH
        case LMTransportError():
            slow = "timed out" in said.lower() or "timeout" in said.lower()
            return ErrorClass.TIMEOUT if slow else ErrorClass.CONNECTION
        case LMInvalidRequestError(status=404):
            return ErrorClass.MODEL
        case LMProviderError() if error.status == 200 or error.provider_code in (MALFORMED, TOO_LARGE):
            return ErrorClass.MALFORMED
        case LMProviderError() if isinstance(error, LMInvalidRequestError) or 400 <= (error.status or 0) < 500:
            return _of_a_request(said)
        case _:
            return ErrorClass.SERVER


def _of_a_request(said: str) -> ErrorClass:
    """The endpoint does not take this request; that says nothing about others."""
    if _REFUSED.search(said):
        return ErrorClass.REFUSAL
    return ErrorClass.CONTEXT if _TOO_LONG.search(said) else ErrorClass.REQUEST
