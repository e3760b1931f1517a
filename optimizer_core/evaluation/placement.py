"""Whether one process keeps up with a run's program, from what the check's rehearsal measured."""

import os

__all__ = ["usable_processors"]


def usable_processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
