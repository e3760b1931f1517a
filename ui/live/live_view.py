"""What one refresh of the live page reads."""

from mipro_studio.optimizer_core.types import EventKind, Status
from mipro_studio.storage import LiveView, Reader

__all__ = ["asked_of", "given_up", "latest"]

_WINDOW = 300
"""What a log shows at a time."""

QUIET = (
    EventKind.BELIEFS,
    EventKind.IMPORTANCE,
    EventKind.LIMITS,
    EventKind.LOSSES,
    EventKind.PREFIXES,
    EventKind.SPENDING,
)
"""Kinds of events that are long and often, and no news."""


def latest(reader: Reader, run_id: str) -> LiveView:
    """The run with its latest events, not its first, and without those that only tabs read."""
    return reader.live(run_id, limit=_WINDOW, without=QUIET)


def asked_of(reader: Reader, view: LiveView) -> set[str]:
    """`stop` and `pause`, as far as a working run was asked for them: it may still be obeying."""
    return reader.obeying(view.summary.id) if view.summary.status is Status.RUNNING else set()


def given_up(reader: Reader, view: LiveView) -> bool:
    """Whether it stands still because (nearly) every program run failed, so that it may go on all the same."""
    stands = view.summary.status in (Status.PAUSED, Status.FAILED)
    return stands and reader.given_up(view.summary.id)
