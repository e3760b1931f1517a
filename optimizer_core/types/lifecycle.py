"""A run's life: its status, the moves between them, and the phase that it is in."""

from collections.abc import Mapping
from enum import StrEnum

__all__ = ["LEGAL_MOVES", "Phase", "Status"]


class Status(StrEnum):
    """A run's life. `LEGAL_MOVES` is the one table of moves; storage enforces it."""

    QUEUED = "queued"
    RUNNING = "running"
    AWAITING_REVIEW = "awaiting_review"
    PAUSED = "paused"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAILED = "failed"
    LOST = "lost"


# A run that does not work on has no process: pause, review, stop and crash are all left the same way, by
# queueing the run again for a new worker, which reads the score table and goes on.
LEGAL_MOVES: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.STOPPED, Status.FAILED, Status.LOST}),
    Status.RUNNING: frozenset(
        {
            Status.AWAITING_REVIEW,
            Status.PAUSED,
            Status.STOPPED,
            Status.COMPLETED,
            Status.FAILED,
            Status.LOST,
        }
    ),
    Status.AWAITING_REVIEW: frozenset({Status.QUEUED, Status.STOPPED}),
    Status.PAUSED: frozenset({Status.QUEUED, Status.STOPPED}),
    Status.STOPPED: frozenset({Status.QUEUED}),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.LOST: frozenset({Status.QUEUED, Status.STOPPED}),
    Status.COMPLETED: frozenset({Status.QUEUED}),  # only with more trials or a larger budget
}


class Phase(StrEnum):
    """What a running run is doing; several overlap, the latest started is shown."""

    SETUP = "setup"
    BOOTSTRAP = "bootstrap"
    PROPOSE = "propose"
    TUNE = "tune"
    SEARCH = "search"
    TEST = "test"
    DONE = "done"
