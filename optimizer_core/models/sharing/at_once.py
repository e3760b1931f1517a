"""How many calls an endpoint is given at once: few at first, more with every answer, fewer where that is refused."""

from collections import deque
from statistics import median

__all__ = ["AtOnce"]

START = 8.0
SAME = 2
"""Refusals with as many calls under way after which no more are let in; twice as many after that was wrong."""
FIRST_HOLD, LONGEST_HOLD = 10, 600
"""Answers until one more at once is tried again: twice as many whenever it was one too many."""
SLOWER = 3.0
"""Answers that take so many times what they did say that there are enough calls at once."""
LATENCIES, LATENCIES_ENOUGH = 20, 8


class AtOnce:
    """The number of calls at once.

    Args:
        ceiling: The most.
        finds: It begins low; else the ceiling is all that there is.

    Attributes:
        limit: That number; its fraction is on the way to the next.
    """

    def __init__(self, ceiling: int, finds: bool) -> None:
        self.ceiling = ceiling
        self.limit = min(START, float(ceiling)) if finds else float(ceiling)
        self._was_cut = False
        self._answers = 0
        self._hold = FIRST_HOLD
        self._wide: float | None = None
        """What the limit was before it was narrowed to `_place` calls beside the refused one."""
        self._place, self._same, self._needed = 0, 0, SAME
        self._latencies: dict[str, deque[float]] = {}
        self._fastest: dict[str, float] = {}

    def answered(self, kind: str, latency_s: float) -> None:
        self._answers += 1
        if self.limit >= self.ceiling:
            self.limit = float(self.ceiling)
        elif self._latency_holds(kind, latency_s):
            self.limit = min(float(self.ceiling), self.limit + self._rise())

    def _rise(self) -> float:
        """What an answer adds: one until the first refusal, then nothing for a while."""
        if not self._was_cut:
            return 1.0
        return self.limit / self._hold if self._answers > self._hold else 0.0

    def _latency_holds(self, kind: str, latency_s: float) -> bool:
        """Whether calls like this one take about as long as they did when there were fewer at once."""
        seen = self._latencies.setdefault(kind, deque(maxlen=LATENCIES))
        seen.append(latency_s)
        if len(seen) < LATENCIES_ENOUGH:
            return True
        usual = median(seen)
        self._fastest[kind] = min(self._fastest.get(kind, usual), usual)
        return usual <= SLOWER * self._fastest[kind]

    def refused(self, others: int) -> bool:
        """A call was refused while so many others were under way; whether that number is the reason.

        It seems to be when calls are refused with about the same number under way again and again; a refusal with
        fewer shows that it was not. The limit is changed by that.
        """
        self._was_cut = True
        if self._wide is not None and others < self._place - 1:
            self.open()
            self._needed *= 2
            self._same = 0
        self._same = self._same + 1 if abs(others - self._place) <= 1 else 1
        if self._wide is None or others > self._place:
            self._place = others
        narrows = others >= 2 and self._same >= self._needed
        if narrows:
            self._wide = self._wide or self.limit
            self.limit = float(self._place)
            if self._answers >= self._hold / 2:
                self._hold = min(LONGEST_HOLD, 2 * self._hold)
        self._answers = 0
        return narrows

    def open(self) -> None:
        """Let in as many as before calls were refused for their number."""
        self.limit, self._wide = self._wide or self.limit, None

    def hold(self, ceiling: int) -> None:
        """Change the most."""
        self.ceiling = ceiling
        self.limit = min(self.limit, float(ceiling))
