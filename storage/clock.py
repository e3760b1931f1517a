"""Time: what a watch shows, for people, and what has passed, for leases. Nobody can set the second one.

A watch is set by hand, by a server, and by a laptop that wakes. So how long a worker has been silent is counted in
seconds since the machine was started, which every process of it reads alike, together with which start that was.
"""

import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

__all__ = ["Clock", "Lease", "Moment", "moment_of", "present"]


@dataclass(frozen=True, slots=True)
class Moment:
    """`at` is UTC by the watch; `steady_s` are seconds since the start `boot` of `machine`."""

    at: datetime
    steady_s: float
    machine: str
    boot: str


Clock = Callable[[], Moment | datetime]
"""Gives the present; tests pass their own, and a mere time where watch and steady clock go alike."""


def present() -> Moment:
    return Moment(datetime.now(UTC), time.monotonic(), *_start())


def moment_of(clock: Clock) -> Moment:
    now = clock()
    return now if isinstance(now, Moment) else Moment(now, now.timestamp(), "by hand", "by hand")


@cache
def _start() -> tuple[str, str]:
    """The machine, and which start of it this is; "" where starts have no name."""
    named = Path("/proc/sys/kernel/random/boot_id")
    if named.exists():
        return platform.node(), named.read_text().strip()
    if sys.platform == "darwin":
        asked = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        return platform.node(), subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return platform.node(), ""


@dataclass(frozen=True, slots=True)
class Lease:
    """When a worker's claim on a run ends if it is not renewed, by both clocks. Older studios had the watch alone."""

    ends_at: str | None
    ends_steady_s: float | None
    machine: str | None
    boot: str | None

    def is_over(self, now: Moment) -> bool:
        """Whether the worker has been silent for too long."""
        if self.ends_steady_s is not None and self.boot and now.boot:
            if self.boot == now.boot:
                return self.ends_steady_s < now.steady_s
            if self.machine == now.machine:
                return True  # the machine was started anew since, and the worker with it is gone
        # On a machine that shares the file with another one's worker, the watches are all there is to compare.
        return self.ends_at is not None and datetime.fromisoformat(self.ends_at) < now.at
