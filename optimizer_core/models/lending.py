"""The other end of a `BorrowingMeter`: one a process, beside the meter of the run."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.types import ErrorClass, Role, Usage

__all__ = ["Lender"]


class Lender:
    """Lends calls of the meter to one process, answers what it asks and books what it tells. Of the event loop.

    Args:
        answer: Sends (number of the ask, the role that it is counted under or why it is refused).
    """

    def __init__(self, meter: Meter, answer: Callable[[int, Role | StudioError], None]) -> None:
        self._meter = meter
        self._answer = answer
        self._lent = 0
        self._under_way: Counter[Role] = Counter()
        self._waiting: deque[tuple[int, Role, int]] = deque()

    def lend(self, role: Role, calls: int) -> int:
        """Calls that go with a row of `role`; at most so many."""
        lent = self._meter.lend(role, calls)
        self._lent += lent
        return lent

    def hear(self, news: Sequence[Sequence[Any]]) -> None:
        """Book what the process tells, in order."""
        for kind, *told in news:
            match kind:
                case "ask":
                    self._waiting.append((told[0], Role(told[1]), told[2]))
                case "begun":
                    self._meter.begin_lent(Role(told[0]), told[1])
                    self._lent -= told[1]
                    self._under_way[Role(told[0])] += told[1]
                case "left":
                    self._meter.leave(Role(told[0]), told[1])
                    self._under_way[Role(told[0])] -= told[1]
                case "taken_back":
                    self._meter.take_back(Role(told[0]), told[1])
                case "answered":
                    self._meter.answered(Role(told[0]), Usage(*told[1]))
                case "failed":
                    self._meter.failed(Role(told[0]), ErrorClass(told[1]), told[2], told[3])
                case "unused":
                    self._meter.give_back(told[0])
                    self._lent -= told[0]
        self.answer_waiting()

    def answer_waiting(self) -> None:
        """Admit what has asked, as far as it can be known whether it may."""
        while self._waiting:
            number, role, requests = self._waiting[0]
            try:
                admitted = self._meter.try_admit(role, requests)
            except StudioError as refusal:
                self._waiting.popleft()
                self._answer(number, refusal)
                continue
            if admitted is None:
                return
            self._waiting.popleft()
            self._under_way[admitted] += requests
            self._answer(number, admitted)

    @property
    def waits(self) -> bool:
        """Whether anything has asked and has no answer yet."""
        return bool(self._waiting)

    def gone(self) -> None:
        """The process has ended: what it had borrowed comes back, what it was calling is over."""
        self._waiting.clear()
        self._meter.give_back(self._lent)
        self._lent = 0
        for role, requests in self._under_way.items():
            self._meter.leave(role, requests)
        self._under_way.clear()
