"""How many calls an endpoint is given at once, and how many a second: found out from what it answers.

It begins with few calls at once and lets in more with every answer (`at_once.py`). Refusals (429, or any with
Retry-After) that are not the endpoint's usual ones (`refusal_cause.py`) turn to a rate: less than went through until
then. The rate comes back to that at which calls were refused in a curve that is steep at first, flat near it and
steep again far beyond (that of TCP CUBIC, in calls instead of seconds): a limit is touched seldom, and one that has
been lifted is found soon. Runs that share an endpoint share it by this alone.
"""

import random
from collections import deque
from dataclasses import dataclass

from mipro_studio.optimizer_core.models.sharing.at_once import AtOnce
from mipro_studio.optimizer_core.models.sharing.refusal_cause import RefusalCause

__all__ = ["CallEnd", "EndpointLimit"]

LEAST_RATE = 0.02
LONGEST_PAUSE_S = 300.0
FIRST_PAUSE_S, PAUSE_GROWS = 0.5, 2.5
"""Pause after refusals that say nothing of when to come back, and how it grows while nothing is answered."""
FIRST_KEPT, KEPT, EARLY_KEPT, SOON_KEPT = 0.5, 0.97, 0.8, 0.5
"""What is kept of the rate at which calls were refused: at first; later; before half of the way back; and at once."""
SOON = 4
"""So few answers before the last two refusals say that the rate is far off."""
DIP, BEYOND = 0.15, 1.0
"""The curve: by how much of the rate it begins below it, and how much it grows in the time of the way back again."""
SHORT_PROBE, FIRST_PROBE, LONGEST_PROBE = 30, 80, 600
"""Calls until the rate at which it was refused is tried again: twice as many whenever that was right. It is short at
first where an endpoint does not say when to come back: that may be no limit."""
SHORTEST_CURVE_S, CURVE_S_A_PROBE = 2.0, 0.25
"""Seconds of that way back: at least, and at most for each of those calls."""
LATELY_S, SHORTLY_S, ANSWERS = 1.0, 0.25, 10
"""What went through is counted over the last second, or over the last answers where that is more. Not longer: what
was done before, at another pace, says nothing of this one."""
FAR_BEYOND = 2.0
"""A rate so much higher than what is asked for holds nothing back any more."""
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

    @property
    def said(self) -> bool:
        """Whether the endpoint said when to come back, as those with a limit do."""
        return bool(self.retry_after_s)


class EndpointLimit:
    """The limit of one endpoint. Knows no clock and no thread: times are given, in seconds.

    Args:
        ceiling: Most calls at once.
        finds: It begins low and heeds refusals; else the ceiling is all that holds calls back.
    """

    def __init__(self, ceiling: int, finds: bool = True) -> None:
        self._finds = finds
        self._at_once = AtOnce(ceiling, finds)
        self._cause = RefusalCause()
        self.fixed = False
        self.under_way = 0
        self._top: float | None = None
        self._cut_at = self._closed_until = self._next_at = float("-inf")
        self._answered: deque[float] = deque()
        self._before_pauses = (1, 0.0)
        self._since_cut = self._before_cut = 0
        self._refusals = 0
        self._probe = FIRST_PROBE

    @property
    def at_once(self) -> int:
        """Most calls under way."""
        return int(self._at_once.limit)

    @property
    def ceiling(self) -> int:
        """What `at_once` can rise to."""
        return self._at_once.ceiling

    def hold(self, ceiling: int, fixed: bool) -> None:
        """Change the ceiling; `fixed`: a person wants it, so that nothing is free."""
        self._at_once.hold(ceiling)
        self.fixed = fixed

    @property
    def is_free(self) -> bool:
        """Whether nothing is held back."""
        return self._top is None and self._at_once.limit >= self.ceiling and not self.fixed

    def rate(self, now: float) -> float | None:
        """Calls a second that may begin; None = as many as there are."""
        if self._top is None:
            return None
        curve_s = self._curve_s(self._top)
        place = (self._open_s(now) - curve_s) / curve_s
        return max(self._top * (1.0 + (BEYOND if place > 0.0 else DIP) * place**3), LEAST_RATE)

    def _open_s(self, now: float) -> float:
        """Seconds since the last cut and the pause after it."""
        return max(0.0, now - max(self._cut_at, self._closed_until))

    def _curve_s(self, top: float) -> float:
        """Seconds from a cut until the rate at which it was made is tried again."""
        return min(max(self._probe / top, SHORTEST_CURVE_S), CURVE_S_A_PROBE * self._probe)

    def try_begin(self, now: float) -> float:
        """0 when a call has begun; else the seconds after which it is worth while to try again."""
        if not self.is_free:
            if now < self._closed_until:
                return self._closed_until - now
            # After a refusal one call finds out whether the endpoint is open again.
            if self.under_way >= (1 if self._refusals else self.at_once):
                return FULL_WAIT_S
            rate = self.rate(now)
            if rate is not None:
                if now < self._next_at:
                    return self._next_at - now
                self._next_at = max(self._next_at, now - 1.0 / rate) + 1.0 / rate
        self.begun()
        return 0.0

    def begun(self) -> None:
        """A call has begun that was not held back."""
        self.under_way += 1

    def withdrawn(self) -> None:
        """A call that had begun was not made after all."""
        self.under_way -= 1

    def ended(self, now: float, end: CallEnd) -> None:
        self.under_way -= 1
        if end.refused and self._finds:
            self._refused(now, end)
        elif not end.refused and not end.failed:
            self._answer(now, end)

    def _answer(self, now: float, end: CallEnd) -> None:
        self._refusals = 0
        self._since_cut += 1
        self._answered.append(now)
        while len(self._answered) > ANSWERS and self._answered[0] < now - LATELY_S:
            self._answered.popleft()
        if end.begun_at >= self._cut_at:
            self._cause.answered(self._top is None)
        self._at_once.answered(end.kind, now - end.begun_at)
        if self._since_cut > 2 * self._probe and self._at_once.limit >= self.ceiling:
            rate = self.rate(now)
            if rate is not None and rate > FAR_BEYOND * self._went_through(now):
                self._top = None

    def _refused(self, now: float, end: CallEnd) -> None:
        if end.begun_at < max(self._cut_at, self._closed_until):
            # It began before the last cut, which was for the same reason.
            if self._refusals:
                self._close(now + min(end.retry_after_s or 0.0, LONGEST_PAUSE_S))
        elif self._cause.refused(end.said):
            self._cut(now, end)

    def _cut(self, now: float, end: CallEnd) -> None:
        rate = self.rate(now)
        went_through = self._went_through(now)
        if rate is not None:  # it may be far higher than what there was to ask
            rate = min(rate, FAR_BEYOND * went_through)
        instead = self._cause.cut(went_through if rate is None else rate, self._is_early(now), end.said)
        if instead is not None:
            self._go_to(now, instead)
            return
        if self._at_once.refused(self.under_way) and not self._refusals:
            self._top = rate
            self._close(now + min(end.retry_after_s or 0.0, LONGEST_PAUSE_S))
        else:
            self._slow_down(now, rate, end)
        self._cut_at, self._before_cut, self._since_cut = now, self._since_cut, 0

    def _is_early(self, now: float) -> bool:
        """Whether less than half of the way back to the last refusal's rate is done."""
        return self._top is not None and self._open_s(now) < self._curve_s(self._top) / 2

    def _slow_down(self, now: float, rate: float | None, end: CallEnd) -> None:
        self._refusals += 1
        pause_s = end.retry_after_s or 0.0
        if end.retry_after_s is None or self._refusals > 1:
            pause_s = max(pause_s, FIRST_PAUSE_S * PAUSE_GROWS ** (self._refusals - 1))
        pause_s = min(pause_s, LONGEST_PAUSE_S)
        if self._refusals == 1:
            self._before_pauses = self._through(now)
        top = self._first_rate(now, end) if rate is None or self._top is None else self._lower(now, rate, pause_s)
        self._top = max(top, LEAST_RATE)
        self._close(now + pause_s)

    def _first_rate(self, now: float, end: CallEnd) -> float:
        """The rate to come back to where nothing was held back until now."""
        self._probe = FIRST_PROBE if end.said else SHORT_PROBE
        return FIRST_KEPT * self._went_through(now, end.retry_after_s or 0.0)

    def _lower(self, now: float, rate: float, pause_s: float) -> float:
        """The rate to come back to after a refusal at `rate`."""
        assert self._top is not None
        least = min(rate, self._cause.least_rate())
        if self._refusals > 1:  # closed ever since: what went through goes for a longer time
            calls, since = self._before_pauses
            return max(min(self._top, calls / (now + pause_s - since)), least)
        if self._since_cut + self._before_cut < SOON:
            return max(SOON_KEPT * rate, least)
        if self._is_early(now):
            return max(EARLY_KEPT * rate, least)
        self._probe = min(LONGEST_PROBE, 2 * self._probe)
        return KEPT * rate

    def _through(self, now: float) -> tuple[int, float]:
        """(answers lately, since when)."""
        if not self._answered:
            return 1, now - SHORTLY_S
        all_of_them = len(self._answered), min(now - SHORTLY_S, self._answered[0])
        last_second = sum(at > now - LATELY_S for at in self._answered), now - LATELY_S
        return max(all_of_them, last_second, key=lambda seen: seen[0] / (now - seen[1]))

    def _went_through(self, now: float, pause_s: float = 0.0) -> float:
        """Calls a second that were answered lately, if none is for another `pause_s` seconds."""
        calls, since = self._through(now)
        return calls / (now + pause_s - since)

    def _go_to(self, now: float, rate: float) -> None:
        """Slowing down was of no use, or not doing so was wrong: to `rate`, and up from there."""
        self._top, self._probe = rate, FIRST_PROBE
        self._at_once.open()
        self._refusals = self._since_cut = self._before_cut = 0
        self._next_at = now
        self._cut_at = self._closed_until = now - self._curve_s(rate)
        self._answered.clear()

    def _close(self, until: float) -> None:
        self._closed_until = max(self._closed_until, until)
        # Runs that were refused together do not come back together.
        self._next_at = max(self._next_at, self._closed_until + random.uniform(0.0, 1.0) / (self._top or 1.0))
