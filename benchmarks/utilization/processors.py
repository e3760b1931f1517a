"""Where the processors' time went while an endpoint was asked, in milliseconds a call."""

import os
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from tests.loopback.endpoint import LoopbackStats

__all__ = ["Processors"]


class Processors(threading.Thread):
    """Samples what every process of this command, its children and theirs, has taken of the processors so far.

    Args:
        own: What this process is counted under.
    """

    WHO = {
        "worker": "run",
        "-c": "run",
        "optimizer_core.evaluation.cell_worker": "rows",
        "tests.loopback": "endpoint",
    }
    TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
    EVERY_S = 0.2

    def __init__(self, own: str = "else") -> None:
        super().__init__(daemon=True)
        self._own = own
        self._taken: dict[int, tuple[str, float]] = {}
        self._samples: list[tuple[float, dict[str, float]]] = []
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self.EVERY_S):
            self._look()

    def _look(self) -> None:
        for pid in _family(os.getpid()):
            with suppress(OSError):  # it has ended
                words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
                other = next((self.WHO[word] for word in words[1:4] if word in self.WHO), "else")
                who = self._own if pid == os.getpid() else other
                times = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
                self._taken[pid] = who, sum(map(int, times)) * self.TICK_S
        total: defaultdict[str, float] = defaultdict(float)
        for who, seconds in self._taken.values():
            total[who] += seconds
        self._samples.append((time.monotonic(), total))

    def a_call_ms(self, stats: LoopbackStats) -> str:
        """Milliseconds a call by who took them, from the first call to the last."""
        self._over.set()
        self.join()
        before, after = (
            min(self._samples, key=lambda sample: abs(sample[0] - stats[name]))[1] for name in ("first_at", "last_at")
        )
        took = {
            who: 1000 * (after[who] - before[who]) / stats["total"] for who in ("run", "rows", "endpoint", "else")
        }
        return ", ".join(f"{who} {ms:.1f}" for who, ms in took.items() if ms >= 0.05)


def _family(pid: int) -> list[int]:
    """A process, its children and theirs."""
    found = [pid]
    for one in found:
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
    return found
