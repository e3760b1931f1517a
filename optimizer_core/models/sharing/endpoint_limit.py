"""How many calls an endpoint is given at once, and how many a second: found out from what it answers.

It begins with few calls at once. Every answer lets in one more, as long as answers take no longer than they did, up
to the run's number of threads; from then on nothing is held back. The first refusal (429, or any with Retry-After)
turns to a rate: what went through until then, a little less. The rate comes back to that in a curve that is steep at
first, flat near it and steep again far beyond (that of TCP CUBIC, in calls instead of seconds): a limit is touched
seldom, and one that has been lifted is found soon. Runs that share an endpoint share it by this alone.
"""

import random
from collections import deque
from dataclasses import dataclass
from statistics import median

__all__ = ["CallEnd", "EndpointLimit"]

START = 2.0
LEAST_RATE = 0.02
LONGEST_PAUSE_S = 300.0
FIRST_PAUSE_S, PAUSE_GROWS = 0.5, 2.5
"""Pause after refusals that say nothing of when to come back, and how it grows while nothing is answered."""
SHARE = 0.85
"""Of the rate at which it was refused, what is kept."""
BEYOND = 1.0
"""How fast the rate grows once that is passed: by so much of it in as many calls again."""
SOON, SOON_SHARE, EARLY_SHARE = 8, 0.5, 0.8
"""A refusal after so few answers says that the rate was far off; what is kept of it then, and what after few."""
FIRST_PROBE, LONGEST_PROBE = 80, 600
"""Calls until the rate at which it was refused is tried again: more as it is known better."""
SHORTEST_CURVE_S, CURVE_S_A_PROBE = 2.0, 0.75
"""Seconds of that way back: at least, and at most for each of those calls."""
LOOK_BACK_S = 60.0
SLOWER = 3.0
LATENCIES, LATENCIES_ENOUGH = 20, 8
FULL_WAIT_S = 0.05


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended.

    Attributes:
        begun_at: By the clock that `EndpointLimit` is told.
        kind: What is comparable among calls of one endpoint, such as the role: calls of different kinds take
            different times.
        refused: For being one too many.
        failed: In any other way: it says nothing.
        retry_after_s: When the endpoint wants to be asked again, as far as it said.
    """

    begun_at: float
    kind: str = ""
    refused: bool = False
    failed: bool = False
    retry_after_s: float | None = None


class EndpointLimit:
    """The limit of one endpoint. Knows no clock and no thread: times are given, in seconds.

    Args:
        ceiling: Most calls at once.
        finds: It begins low and heeds refusals; else the ceiling is all that holds calls back.
    """

    def __init__(self, ceiling: int, finds: bool = True) -> None:
        self._finds = finds
        self.ceiling = ceiling
        self.fixed = False
        self.limit = min(START, float(ceiling)) if finds else float(ceiling)
        self.under_way = 0
        self._top: float | None = None
        self._cut_at = self._closed_until = self._next_at = float("-inf")
        self._first_at: float | None = None
        self._answered: deque[float] = deque()
        self._since_cut = 0
        self._refusals = 0
        self._probe = FIRST_PROBE
        self._latencies: dict[str, deque[float]] = {}
        self._fastest: dict[str, float] = {}

    @property
    def is_free(self) -> bool:
        """Whether nothing is held back: it was never refused anything, and the ceiling is reached."""
        return self._top is None and self.limit >= self.ceiling and not self.fixed

    def rate(self, now: float) -> float | None:
        """Calls a second that may begin; None = as many as there are."""
        if self._top is None:
            return None
        curve_s = min(max(self._probe / self._top, SHORTEST_CURVE_S), CURVE_S_A_PROBE * self._probe)
        place = (max(0.0, now - max(self._cut_at, self._closed_until)) - curve_s) / curve_s
        return max(self._top * (1.0 + (BEYOND if place > 0.0 else 1.0 - SHARE) * place**3), LEAST_RATE)

    def try_begin(self, now: float) -> float:
        """0 when a call has begun; else the seconds after which it is worth while to try again."""
        if not self.is_free:
            if now < self._closed_until:
                return self._closed_until - now
            # After a refusal one call finds out whether the endpoint is open again.
            if self.under_way >= (1 if self._refusals else int(self.limit)):
                return FULL_WAIT_S
            rate = self.rate(now)
            if rate is not None:
                if now < self._next_at:
                    return self._next_at - now
                self._next_at = max(self._next_at, now - 1.0 / rate) + 1.0 / rate
        self.begun(now)
        return 0.0

    def begun(self, now: float) -> None:
        """A call has begun that was not held back."""
        self.under_way += 1
        if self._first_at is None:
            self._first_at = now

    def withdrawn(self) -> None:
        """A call that had begun was not made after all."""
        self.under_way -= 1

    def ended(self, now: float, end: CallEnd) -> None:
        self.under_way -= 1
        if end.refused and self._finds:
            self._cut(now, end)
        elif not end.refused and not end.failed:
            self._answer(now, end)

    def _answer(self, now: float, end: CallEnd) -> None:
        self._refusals = 0
        self._since_cut += 1
        self._answered.append(now)
        while self._answered[0] < now - LOOK_BACK_S:
            self._answered.popleft()
        if self.limit >= self.ceiling:
            self.limit = float(self.ceiling)
        elif self._latency_holds(end.kind, now - end.begun_at):
            self.limit = min(float(self.ceiling), self.limit + (1.0 if self._top is None else 1.0 / self.limit))

    def _latency_holds(self, kind: str, latency_s: float) -> bool:
        """Whether calls like this one take about as long as they did when there were fewer at once."""
        seen = self._latencies.setdefault(kind, deque(maxlen=LATENCIES))
        seen.append(latency_s)
        if len(seen) < LATENCIES_ENOUGH:
            return True
        usual = median(seen)
        self._fastest[kind] = min(self._fastest.get(kind, usual), usual)
        return usual <= SLOWER * self._fastest[kind]

    def _cut(self, now: float, end: CallEnd) -> None:
        if end.begun_at < self._cut_at:  # it began before the last cut, which was for the same reason
            self._close(now + min(end.retry_after_s or 0.0, LONGEST_PAUSE_S))
            return
        self._refusals += 1
        said_s = end.retry_after_s
        blind = said_s is None or self._refusals > 1
        pause_s = max(said_s or 0.0, FIRST_PAUSE_S * PAUSE_GROWS ** (self._refusals - 1) if blind else 0.0)
        pause_s = min(pause_s, LONGEST_PAUSE_S)
        self._top = max(self._rate_after(now, pause_s), LEAST_RATE)
        self.limit = max(1.0, self.limit * SHARE)
        self._cut_at, self._since_cut = now, 0
        self._close(now + pause_s)

    def _rate_after(self, now: float, pause_s: float) -> float:
        """The rate to come back to after a refusal at `now`."""
        rate = self.rate(now)
        span_s = min(LOOK_BACK_S, now - (now if self._first_at is None else self._first_at))
        went_through = len(self._answered) / max(span_s + pause_s, 0.2)
        if rate is None or self._top is None:
            return SHARE * went_through
        if self._refusals > 1:  # closed ever since: what went through goes for a longer time
            return min(self._top, went_through)
        if self._since_cut < SOON:
            return SOON_SHARE * rate
        if self._since_cut < self._probe / 2:
            return EARLY_SHARE * rate
        self._probe = min(LONGEST_PROBE, 2 * self._probe)
        return rate

    def _close(self, until: float) -> None:
        self._closed_until = max(self._closed_until, until)
        # Runs that were refused together do not come back together.
        self._next_at = max(self._next_at, self._closed_until + random.uniform(0.0, 1.0) / (self._top or 1.0))
