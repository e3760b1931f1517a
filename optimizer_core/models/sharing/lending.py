"""The other end of a `BorrowingMeter`: one a process, beside the meter of the run."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.sharing.endpoint_limit import CallEnd
from mipro_studio.optimizer_core.types import ErrorClass, Role, Usage

__all__ = ["Lender"]

LENT_WAIT_S = 0.05


@dataclass(frozen=True)
class _Ask:
    number: int
    role: Role
    requests: int
    endpoint: str
    patient: bool


class Lender:
    """Lends calls of the meter to one process, answers what it asks and books what it tells. Of the event loop.

    Args:
        answer: Sends (number of the ask, the role that it is counted under or why it is refused).
    """

    def __init__(self, meter: Meter, answer: Callable[[int, Role | StudioError], None]) -> None:
        self._meter = meter
        self._answer = answer
        self._lent = 0
        self._under_way: Counter[tuple[Role, str]] = Counter()
        self._calls: Counter[str] = Counter()
        self._waiting: list[_Ask] = []

    def lend(self, role: Role, calls: int) -> int:
        """Calls that go with a row of `role`: at most so many, and none while any endpoint holds calls back."""
        limits = self._meter.limits
        if limits is not None and not limits.all_free:
            return 0
        lent = self._meter.lend(role, calls)
        self._lent += lent
        return lent

    def hear(self, news: Sequence[Sequence[Any]]) -> None:
        """Book what the process tells, in order. Asks wait for `answer_waiting`."""
        for kind, *told in news:
            match kind:
                case "ask":
                    self._waiting.append(_Ask(told[0], Role(told[1]), *told[2:]))
                case "begun":
                    self._begun(Role(told[0]), told[1], told[2])
                case "left":
                    self._left(Role(told[0]), told[1], told[2], told[3])
                case "taken_back":
                    self._meter.take_back(Role(told[0]), told[1])
                case "answered":
                    self._meter.answered(Role(told[0]), Usage(*told[1]))
                case "failed":
                    self._meter.failed(Role(told[0]), ErrorClass(told[1]), told[2], told[3])
                case "unused":
                    self._meter.give_back(told[0])
                    self._lent -= told[0]

    def _begun(self, role: Role, requests: int, endpoint: str) -> None:
        self._meter.begin_lent(role, requests)
        self._lent -= requests
        if self._meter.limits is not None:
            self._meter.limits.begun(endpoint)
        self._note(role, requests, endpoint)

    def _note(self, role: Role, requests: int, endpoint: str) -> None:
        self._under_way[role, endpoint] += requests
        self._calls[endpoint] += 1

    def _left(self, role: Role, requests: int, endpoint: str, how: Sequence[Any]) -> None:
        took_s, kind, refused, failed, retry_after_s = how
        end = CallEnd(time.monotonic() - took_s, kind, refused, failed, retry_after_s)
        self._meter.leave(role, requests, endpoint, end)
        self._under_way[role, endpoint] -= requests
        self._calls[endpoint] -= 1

    def answer_waiting(self) -> float | None:
        """Admit what has asked, first come first served at each endpoint.

        Returns:
            Seconds after which it is worth while to try again; None when nothing waits.
        """
        full: dict[str, float] = {}
        left = []
        for ask in self._waiting:
            wait_s = full.get(ask.endpoint, 0.0) or self._try(ask)
            if wait_s > 0.0:
                full[ask.endpoint] = wait_s
                left.append(ask)
        self._waiting = left
        return min(full.values(), default=None)

    def _try(self, ask: _Ask) -> float:
        """0 when it has its answer; else when to try again."""
        limits = self._meter.limits
        if limits is not None and not ask.patient:
            limits.begun(ask.endpoint)
        elif limits is not None and (wait_s := limits.try_begin(ask.endpoint)) > 0.0:
            if not self._meter.halted.is_set():
                return wait_s
            limits.begun(ask.endpoint)
        admitted: Role | StudioError | None
        try:
            admitted = self._meter.try_admit(ask.role, ask.requests)
        except StudioError as refusal:
            admitted = refusal
        if not isinstance(admitted, Role) and limits is not None:
            limits.withdrawn(ask.endpoint)
        if admitted is None:
            return LENT_WAIT_S
        if isinstance(admitted, Role):
            self._note(admitted, ask.requests, ask.endpoint)
        self._answer(ask.number, admitted)
        return 0.0

    @property
    def waits(self) -> bool:
        """Whether anything has asked and has no answer yet."""
        return bool(self._waiting)

    def gone(self) -> None:
        """The process has ended: what it had borrowed comes back, what it was calling is over."""
        self._waiting.clear()
        self._meter.give_back(self._lent)
        self._lent = 0
        for (role, _), requests in self._under_way.items():
            self._meter.leave(role, requests)
        for endpoint, calls in self._calls.items():
            for _ in range(calls if self._meter.limits is not None else 0):
                self._meter.limits.withdrawn(endpoint)  # type: ignore[union-attr]
        self._under_way.clear()
        self._calls.clear()
