"""Why a model call failed: DSPy's errors as the classes that a cell, the meter and a person go by."""

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

from mipro_studio.optimizer_core.types import ErrorClass

__all__ = ["classify"]


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
