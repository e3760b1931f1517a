"""Every error a user can meet derives from `StudioError`: one clear sentence and what to do about it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

__all__ = [
    "BadInput",
    "BudgetReached",
    "GivenUp",
    "IllegalMove",
    "LeaseLost",
    "ModelUnavailable",
    "ReviewWanted",
    "RunFailed",
    "RunPaused",
    "StopRequested",
    "StudioError",
    "TooManyErrors",
    "told",
    "told_in_line",
]


class StudioError(Exception):
    """Base of the studio's own errors.

    Args:
        message: One sentence that says what is wrong, with the value that is wrong.
        hint: What the user can do about it; empty when the message already says so.

    Attributes:
        frames: Lines of the person's own code that it came through, the innermost last.
    """

    frames: Sequence[str] = ()

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class BadInput(StudioError):
    """The request cannot be carried out as given; nothing was created (CLI exit code 2).

    Attributes:
        fields: {inputs, outputs} of the program, names, where it loaded and only the rest was wrong: what a form
            needs to help with it.
    """

    fields: Mapping[str, Sequence[str]] = MappingProxyType({})


class ModelUnavailable(StudioError):
    """A model cannot be had: weights missing, endpoint refusing, key not set."""


class IllegalMove(StudioError):
    """A run was asked to go to a state that its present state does not allow."""


class LeaseLost(StudioError):
    """Another worker has taken over this run; the one that learns it must stop writing."""


class RunFailed(StudioError):
    """The run cannot go on and a retry alone would not help (a broken program or metric)."""


class RunPaused(StudioError):
    """The run stands still until a person resumes it (a person asked, or the endpoint is down)."""


class TooManyErrors(RunPaused):
    """(Nearly) every program run fails: the run stands still until that is mended, or a person wants it to go on."""


class ReviewWanted(StudioError):
    """The run stands still until a person has looked at what it is about to do, and says go."""


class StopRequested(StudioError):
    """A person asked the run to end with the best so far."""


class BudgetReached(StudioError):
    """A cap is reached. Not a failure: the run ends with the best so far (CLI exit code 3)."""


class GivenUp(BaseException):
    """Raised in a thread whose work was given up, as soon as it runs Python again: a loop must not go on for ever."""


def told(error: BaseException) -> str:
    """`ValueError: what it says`. A person's error may raise where it is asked for its words: then it has none."""
    try:
        words = str(error)
    except Exception:  # noqa: BLE001 - whatever their __str__ raises
        words = "it cannot say what is wrong"
    return f"{type(error).__name__}: {words}"


def told_in_line(error: BaseException, length: int = 300) -> str:
    """`told` as part of a sentence of ours: one line, cut, without a full stop of its own."""
    return " ".join(told(error).split())[:length].rstrip(".")
