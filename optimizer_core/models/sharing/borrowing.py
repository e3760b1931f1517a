"""The meter of a process that works for another: it counts nothing itself and asks the one meter of the run.

A row comes with calls that may be made without asking; what it did not need goes back with its cell. Every other call
is asked for. What became of calls is told in the order in which it happened.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.sharing.call_limits import in_a_loop
from mipro_studio.optimizer_core.models.sharing.endpoint_limit import CallEnd
from mipro_studio.optimizer_core.types import ErrorClass, Role, Usage

__all__ = ["BorrowingMeter"]

Event = list[Any]


class BorrowingMeter(Meter):
    """A `Meter` for everyone who calls models in this process. Safe in threads.

    Args:
        send: Sends [kind, ...] to the process that has the meter: `ask` is answered through `answer_ask`, all others
            are news, in the order in which they are sent.
    """

    def __init__(self, send: Callable[[Event], None]) -> None:
        super().__init__(Budget())
        self._send = send
        self._asked: dict[int, Future[Role]] = {}
        self._number = 0
        self._stock: Counter[Role] = Counter()
        self._rows: Counter[Role] = Counter()
        self._news: list[Event] = []

    def borrow(self, role: Role, calls: int) -> None:
        """A row begins that brought `calls` calls of `role`."""
        with self._lock:
            self._stock[role] += calls
            self._rows[role] += calls

    def settle(self, role: Role, calls: int) -> list[Event]:
        """A row has ended that brought `calls`: the news to tell, what is not needed any more among them."""
        with self._lock:
            self._rows[role] -= calls
            unneeded = max(0, self._stock[role] - self._rows[role])
            self._stock[role] -= unneeded
            news, self._news = self._news, []
        return [*news, ["unused", unneeded]] if unneeded else news

    def enter(self, role: Role, requests: int, endpoint: str) -> Role:
        asked = self._lent_or_asked(role, requests, endpoint, patient=not in_a_loop())
        return role if asked is None else asked.result()

    async def enter_async(self, role: Role, requests: int, endpoint: str) -> Role:
        asked = self._lent_or_asked(role, requests, endpoint, patient=True)
        return role if asked is None else await asyncio.wrap_future(asked)

    def _lent_or_asked(self, role: Role, requests: int, endpoint: str, patient: bool) -> Future[Role] | None:
        """None where the call may be made at once; else what will be answered."""
        with self._lock:
            news, self._news = self._news, []
            asked: Future[Role] | None = None
            if self._stock[role] >= requests and self._halt is None:
                self._stock[role] -= requests
                news.append(["begun", role, requests, endpoint])
            else:
                self._number += 1
                asked = self._asked[self._number] = Future()
                news.append(["ask", self._number, role, requests, endpoint, patient])
            # Sent under the lock: news must not overtake each other.
            self._send(["news", news])
            return asked

    def answer_ask(self, number: int, answer: Role | StudioError) -> None:
        """What the meter said to an `ask`."""
        asked = self._asked.pop(number)
        if isinstance(answer, StudioError):
            asked.set_exception(answer)
        else:
            asked.set_result(answer)

    def halt(self, reason: StudioError | None) -> None:  # type: ignore[override]
        """The run is halted; None: it is open again."""
        with self._lock:
            self._halt = reason
        if reason is None:
            self.halted.clear()
        else:
            self.halted.set()

    def _note(self, *event: Any, now: bool = False) -> None:
        with self._lock:
            self._news.append([*event])
            if now:
                news, self._news = self._news, []
                self._send(["news", news])

    def leave(self, role: Role, requests: int = 1, endpoint: str = "", end: CallEnd | None = None) -> None:
        took_s = 0.0 if end is None else time.monotonic() - end.begun_at
        how = None if end is None else [took_s, end.kind, end.refused, end.failed, end.retry_after_s]
        self._note("left", role, requests, endpoint, how, now=end is not None and end.refused)

    def take_back(self, role: Role, requests: int = 1) -> None:
        self._note("taken_back", role, requests)

    def answered(self, role: Role, usage: Usage) -> None:
        self._note("answered", role, [getattr(usage, name) for name in Usage.__slots__])

    def failed(self, role: Role, error: ErrorClass, seconds_s: float, retried: bool) -> None:
        self._note("failed", role, error, seconds_s, retried, now=True)
