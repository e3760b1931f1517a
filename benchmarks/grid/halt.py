"""When a benchmark stops before its end: a person asks for it, or its runs have spent together what they may."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mipro_studio.benchmarks.grid.marks import marks
from mipro_studio.storage import Reader

__all__ = ["Cap", "Halt"]

CHECK_S = 2.0


@dataclass(frozen=True)
class Cap:
    """What all runs of a benchmark may spend together, their sealed tests and earlier calls of the command included.

    Attributes:
        lm_calls: Attempts at the models, by all roles.
        usd: Dollars, as far as prices are known.
    """

    lm_calls: int | None = None
    usd: float | None = None

    def reached(self, ours: Collection[dict[str, Any]], store: Path) -> str:
        """A sentence when the runs with these marks have spent so much, else nothing."""
        if self.lm_calls is None and self.usd is None:
            return ""
        known = [run.id for run, mark in marks(store) if mark in ours]
        with Reader(store) as reader:
            spent = [usage for run_id in known for usage in reader.spent(run_id).values()]
        calls, usd = sum(one.calls for one in spent), sum(one.cost_usd or 0.0 for one in spent)
        if self.lm_calls is not None and calls >= self.lm_calls:
            return f"The cap of {self.lm_calls} LM calls is reached: {calls} were made."
        if self.usd is not None and usd >= self.usd:
            return f"The cap of {self.usd:g} dollars is reached: {usd:.2f} were spent."
        return ""


class Halt:
    """Shared by the threads that wait for runs. `reason` is a sentence once the cap is reached.

    Args:
        ours: Marks of the benchmark's runs.
    """

    def __init__(self, cap: Cap, ours: Collection[dict[str, Any]], store: Path) -> None:
        self.reason = ""
        self._cap, self._ours, self._store = cap, ours, store
        self._asked = threading.Event()
        self._lock = threading.Lock()
        self._checked_at = float("-inf")

    def ask(self) -> None:
        self._asked.set()

    def within(self, seconds: float) -> bool:
        """Wait as long, or until asked. Returns whether to stop."""
        with self._lock:
            if not self._asked.is_set() and time.monotonic() - self._checked_at > CHECK_S:
                self._checked_at = time.monotonic()
                self.reason = self._cap.reached(self._ours, self._store)
                if self.reason:
                    self._asked.set()
        return self._asked.wait(seconds)
