"""Waiting in tests: for something to happen, however busy the machine, and watches that a test turns by hand."""

import time
from collections.abc import Callable

__all__ = ["LONGEST_S", "HandWatch", "until"]

LONGEST_S = 150.0
"""After which something that should happen at once is taken to never happen."""


def until(happened: Callable[[], object], longest_s: float = LONGEST_S, step_s: float = 0.02) -> None:
    """Return once `happened()`; an error after `longest_s`."""
    deadline = time.monotonic() + longest_s
    while not happened():
        assert time.monotonic() < deadline, f"it did not happen in {longest_s:g} s"
        time.sleep(step_s)


class HandWatch:
    """Stands in for the module `time` where only `monotonic` is read; it goes on when it is turned.

    Attributes:
        reads: How often it was looked at.
    """

    def __init__(self) -> None:
        self.now_s = 0.0
        self.reads = 0

    def turn(self, seconds: float) -> None:
        self.now_s += seconds

    def monotonic(self) -> float:
        self.reads += 1
        return self.now_s
