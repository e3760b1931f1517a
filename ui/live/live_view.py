"""What one refresh of the live page reads."""

from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import LiveView, Reader

__all__ = ["asked_of", "latest"]

_WINDOW = 300
"""What a log shows at a time."""

QUIET = ("beliefs", "importance", "spending")
"""Kinds of events that are long and often, and no news."""


def latest(reader: Reader, run_id: str) -> LiveView:
    """The run with its latest events, not its first, and without those that only tabs read."""
    return reader.live(run_id, limit=_WINDOW, without=QUIET)


def asked_of(reader: Reader, view: LiveView) -> set[str]:
    """Commands that a working run has been sent since it began or was resumed: it may still be obeying them."""
    if view.summary.status is not Status.RUNNING:
        return set()
    moves = [at for _, at, event in view.events if event.kind == "status"]
    since = max(moves, default="")
    return {
        command["kind"]
        for command in reader.commands(view.summary.id)
        if command["handled_at"] is None or (since and command["sent_at"] >= since)
    }
