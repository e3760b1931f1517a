"""The limits of all endpoints of a run, for whoever makes calls: in threads, in tasks, and for other processes."""

import asyncio
import threading
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from mipro_studio.optimizer_core.models.sharing.endpoint_limit import CallEnd, EndpointLimit

__all__ = ["CallLimits", "endpoint_of", "host_of", "in_a_loop"]

LOOK_S = 0.2
"""How often whoever waits for a turn looks whether the run is being halted."""


def endpoint_of(lm: Any) -> str:
    """What a model's calls are limited together with: its host, or its provider's model."""
    known: str | None = getattr(lm, "endpoint", None)
    if known is not None:
        return known
    base = (getattr(lm, "kwargs", None) or {}).get("api_base")
    return host_of(base) if base else str(getattr(lm, "model", ""))


def host_of(base: str) -> str:
    """Host and port of a base URL."""
    return urlsplit(base).netloc.rpartition("@")[2] or base


class CallLimits:
    """Safe in threads. Whoever has begun a call says so when it has ended.

    Args:
        ceiling: Most calls at once to one endpoint: the run's threads.
        finds: Limits are found from what endpoints answer; else only a person holds calls back (`hold`).
    """

    def __init__(self, ceiling: int, finds: bool = True) -> None:
        self._finds = finds
        self._highest = self._ceiling = ceiling
        self._limits: dict[str, EndpointLimit] = {}
        self._lines: dict[str, deque[threading.Event]] = {}
        self._lock = threading.Lock()

    def _of(self, endpoint: str) -> EndpointLimit:
        made = self._limits.get(endpoint)
        if made is None:
            made = self._limits[endpoint] = EndpointLimit(self._highest, self._finds)
            made.hold(self._ceiling, self._ceiling < self._highest)
            self._lines[endpoint] = deque()
        return made

    def try_begin(self, endpoint: str) -> float:
        """0 when a call has begun; else the seconds after which it is worth while to try again."""
        with self._lock:
            return self._of(endpoint).try_begin(time.monotonic())

    def begin(self, endpoint: str, halted: threading.Event) -> None:
        """Wait for the turn of a call in this thread; whoever came first goes first.

        A thread whose event loop runs waits for no turn: calls of other tasks of that loop could not end meanwhile.
        """
        with self._lock:
            limit, line = self._of(endpoint), self._lines[endpoint]
            if in_a_loop():
                limit.begun()
                return
            if not line and limit.try_begin(time.monotonic()) == 0.0:
                return
            turn = threading.Event()
            line.append(turn)
        while True:
            with self._lock:
                first = line[0] is turn
                wait_s = limit.try_begin(time.monotonic()) if first else LOOK_S
                if halted.is_set() and wait_s > 0.0:
                    limit.begun()  # the meter refuses it; it is withdrawn like any other
                    wait_s = 0.0
                if wait_s == 0.0:
                    line.remove(turn)
                    if line:
                        line[0].set()
                    return
            turn.wait(min(wait_s, LOOK_S))
            turn.clear()

    async def begin_async(self, endpoint: str, halted: threading.Event) -> None:
        """Wait for the turn of a call in a task."""
        while (wait_s := self.try_begin(endpoint)) > 0.0 and not halted.is_set():
            await asyncio.sleep(min(wait_s, LOOK_S))
        if wait_s > 0.0:
            self.begun(endpoint)

    def begun(self, endpoint: str) -> None:
        """A call was made without waiting for its turn."""
        with self._lock:
            self._of(endpoint).begun()

    def withdrawn(self, endpoint: str) -> None:
        """A call that had begun was not made after all."""
        with self._lock:
            self._of(endpoint).withdrawn()
            self._wake(endpoint)

    def ended(self, endpoint: str, end: CallEnd) -> None:
        with self._lock:
            self._of(endpoint).ended(time.monotonic(), end)
            self._wake(endpoint)

    def _wake(self, endpoint: str) -> None:
        if line := self._lines[endpoint]:
            line[0].set()

    @property
    def all_free(self) -> bool:
        """Whether nothing is held back at any endpoint."""
        with self._lock:
            return bool(self._limits) and all(limit.is_free for limit in self._limits.values())

    def hold(self, at_once: int) -> int:
        """Make no more than that many calls at once to any endpoint from now on. Returns what took effect.

        Args:
            at_once: The run's threads are the most; that many or more lets go.
        """
        with self._lock:
            self._ceiling = max(1, min(at_once, self._highest))
            for limit in self._limits.values():
                limit.hold(self._ceiling, self._ceiling < self._highest)
            return self._ceiling

    def shown(self) -> dict[str, dict[str, Any]]:
        """For people who watch: endpoint -> {at_once, most, a_second}; `a_second` None = not held back."""
        now = time.monotonic()
        with self._lock:
            return {
                name: {
                    "at_once": limit.at_once,
                    "most": limit.ceiling,
                    "a_second": None if (rate := limit.rate(now)) is None else float(f"{rate:.2g}"),
                }
                for name, limit in self._limits.items()
            }


def in_a_loop() -> bool:
    """Whether an event loop runs in this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
