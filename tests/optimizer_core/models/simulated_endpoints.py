"""Endpoints on a clock of the simulation's own, and runs that ask them as often as their limits let them.

Nothing here waits: hours of calls take seconds, and the same seed gives the same calls on any machine.
"""

import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mipro_studio.optimizer_core.models.sharing.endpoint_limit import CallEnd, EndpointLimit

Latency = Callable[[random.Random], float]
POLL_S = (0.02, 0.2)
"""Least and most that a thread waits before it asks again for its turn, as in `CallLimits`."""
RETRIES = 4


@dataclass(frozen=True)
class Answer:
    """What an endpoint does with a call: after `takes_s` seconds it has answered or refused it."""

    takes_s: float
    refused: bool = False
    retry_after_s: float | None = None


class Endpoint(Protocol):
    def begin(self, now: float, rng: random.Random) -> Answer: ...

    def end(self) -> None: ...


class Open:
    """Refuses nothing; of latencies only."""

    def __init__(self, latency: Latency) -> None:
        self._latency = latency

    def refusal(self, now: float, rng: random.Random) -> Answer | None:
        return None

    def begin(self, now: float, rng: random.Random) -> Answer:
        return self.refusal(now, rng) or Answer(self._latency(rng))

    def end(self) -> None:
        pass


class Bucket(Open):
    """Takes `rate(now)` calls a second, and `burst` at once. Says when there is room if `says` does."""

    def __init__(
        self,
        rate: Callable[[float], float],
        burst: float,
        latency: Latency,
        says: Callable[[float], float | None] = lambda wait_s: wait_s,
    ) -> None:
        super().__init__(latency)
        self._rate, self._burst, self._says = rate, burst, says
        self._tokens, self._at = burst, 0.0

    def refusal(self, now: float, rng: random.Random) -> Answer | None:
        rate = self._rate(now)
        self._tokens, self._at = min(self._burst, self._tokens + (now - self._at) * rate), now
        if self._tokens < 1.0:
            return Answer(0.01, True, self._says((1.0 - self._tokens) / rate))
        self._tokens -= 1.0
        return None


class Window(Open):
    """Takes so many calls in each minute of the clock."""

    def __init__(self, calls: int, latency: Latency) -> None:
        super().__init__(latency)
        self._calls, self._minute, self._taken = calls, -1, 0

    def refusal(self, now: float, rng: random.Random) -> Answer | None:
        minute = int(now // 60)
        if minute != self._minute:
            self._minute, self._taken = minute, 0
        if self._taken >= self._calls:
            return Answer(0.01, True, 60.0 * (minute + 1) - now)
        self._taken += 1
        return None


class Flaky(Open):
    """Refuses a share of the calls whatever their rate, beside what `inner` refuses."""

    def __init__(self, share: float, inner: Open, says_s: float | None = None) -> None:
        self._share, self._inner, self._says_s = share, inner, says_s

    def begin(self, now: float, rng: random.Random) -> Answer:
        return Answer(0.01, True, self._says_s) if rng.random() < self._share else self._inner.begin(now, rng)


class Places(Open):
    """Takes so many calls at once and refuses the others."""

    def __init__(self, places: int, latency: Latency) -> None:
        super().__init__(latency)
        self._places, self._taken = places, 0

    def refusal(self, now: float, rng: random.Random) -> Answer | None:
        if self._taken >= self._places:
            return Answer(0.01, True)
        self._taken += 1
        return None

    def end(self) -> None:
        self._taken -= 1


@dataclass
class Seen:
    """What a simulation came to: calls answered and refused, counted from `since_s` on."""

    answered: int = 0
    refused: int = 0

    @property
    def refused_share(self) -> float:
        return self.refused / max(1, self.answered + self.refused)


def _pause_s(number: int, answer: Answer, rng: random.Random) -> float:
    """What a caller waits before it tries a refused call again (`models/attempts.py`)."""
    if answer.retry_after_s is not None:
        return answer.retry_after_s
    return min(0.5 * 2.0**number, 30.0) * rng.uniform(0.5, 1.0)


def simulated(
    endpoint: Endpoint,
    limits: list[EndpointLimit],
    threads: int,
    until_s: float,
    since_s: float = 0.0,
    seed: int = 0,
) -> Seen:
    """What becomes of the calls of some runs, each with `threads` threads that always have a call to make."""
    before = random.getstate()
    random.seed(seed)  # the limits' own jitter
    try:
        return _simulated(endpoint, limits, threads, (since_s, until_s), random.Random(seed))
    finally:
        random.setstate(before)


def _simulated(
    endpoint: Endpoint, limits: list[EndpointLimit], threads: int, span_s: tuple[float, float], rng: random.Random
) -> Seen:
    order, seen = itertools.count(), Seen()
    # (when, order, limit, attempts so far, call under way: its begin and answer)
    events: list[tuple[float, int, EndpointLimit, int, tuple[float, Answer] | None]] = [
        (rng.random(), next(order), limit, 0, None) for limit in limits for _ in range(threads)
    ]
    heapq.heapify(events)
    while (event := heapq.heappop(events))[0] < span_s[1]:
        now, _, limit, number, call = event
        if call is not None:
            begun_at, answer = call
            limit.ended(now, CallEnd(begun_at, refused=answer.refused, retry_after_s=answer.retry_after_s))
            if now >= span_s[0]:
                seen.answered, seen.refused = seen.answered + (not answer.refused), seen.refused + answer.refused
            if answer.refused:
                number = (number + 1) % (RETRIES + 1)
                heapq.heappush(events, (now + _pause_s(number, answer, rng), next(order), limit, number, None))
                continue
            endpoint.end()
            number = 0
        wait_s = limit.try_begin(now)
        if wait_s > 0.0:
            again = now + min(max(wait_s, POLL_S[0]), POLL_S[1])
            heapq.heappush(events, (again, next(order), limit, number, None))
            continue
        answer = endpoint.begin(now, rng)
        heapq.heappush(events, (now + answer.takes_s, next(order), limit, number, (now, answer)))
    return seen


def constant(seconds: float) -> Latency:
    return lambda rng: seconds


def exponential(seconds: float) -> Latency:
    return lambda rng: -math.log(1.0 - rng.random()) * seconds


def slow_twentieth(seconds: float) -> Latency:
    return lambda rng: seconds * (10.0 if rng.random() < 0.05 else 1.0)
