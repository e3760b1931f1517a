"""The limit of an endpoint on a clock of the test's own: what it holds back, and how much of a limit runs use."""

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable

import pytest

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.sharing.call_limits import CallLimits, endpoint_of, host_of
from mipro_studio.optimizer_core.models.sharing.endpoint_limit import CallEnd, EndpointLimit
from mipro_studio.optimizer_core.types import Role

Latency = Callable[[random.Random], float]


class Bucket:
    """An endpoint that takes `rate` calls a second, and `burst` at once."""

    def __init__(self, rate: float, burst: float) -> None:
        self.rate, self.burst, self.tokens, self.at = rate, burst, burst, 0.0

    def takes(self, now: float) -> float:
        """0, or the seconds after which it takes another."""
        self.tokens, self.at = min(self.burst, self.tokens + (now - self.at) * self.rate), now
        if self.tokens < 1.0:
            return (1.0 - self.tokens) / self.rate
        self.tokens -= 1.0
        return 0.0


def simulated(bucket: Bucket, runs: int, threads: int, seconds: float, latency: Latency) -> tuple[int, int]:
    """(answered, refused) calls of runs that ask as often as they may, each with a limit of its own."""
    rng, number = random.Random(0), itertools.count()
    limits = [EndpointLimit(threads) for _ in range(runs)]
    waiting = [(rng.random(), next(number), limit, -1.0, False) for limit in limits for _ in range(threads)]
    heapq.heapify(waiting)
    answered = refused = 0
    while (event := heapq.heappop(waiting))[0] < seconds:
        now, _, limit, begun_at, is_refused = event
        if begun_at >= 0.0:
            limit.ended(now, CallEnd(begun_at, refused=is_refused, retry_after_s=0.1 if is_refused else None))
            answered, refused = answered + (not is_refused), refused + is_refused
        wait_s = limit.try_begin(now)
        if wait_s > 0.0:
            heapq.heappush(waiting, (now + min(max(wait_s, 0.02), 0.2), next(number), limit, -1.0, False))
            continue
        full = bucket.takes(now) > 0.0
        ends = now + (0.01 if full else latency(rng))
        heapq.heappush(waiting, (ends, next(number), limit, now, full))
    return answered, refused


def test_four_runs_share_a_limit_by_what_they_observe() -> None:
    answered, refused = simulated(Bucket(10.0, 10.0), 4, 16, 360.0, lambda rng: rng.expovariate(10.0))
    assert answered >= 0.9 * 3600
    assert refused <= 0.01 * (answered + refused)


@pytest.mark.parametrize(
    "latency",
    [lambda rng: 0.1, lambda rng: rng.expovariate(10.0), lambda rng: 1.0 if rng.random() < 0.05 else 0.1],
    ids=["constant", "exponential", "one in twenty ten times slower"],
)
def test_an_endpoint_that_refuses_nothing_is_soon_held_back_by_nothing(latency: Latency) -> None:
    answered, refused = simulated(Bucket(1e9, 1e9), 1, 16, 20.0, latency)
    mean_s = sum(latency(random.Random(seed)) for seed in range(2000)) / 2000
    assert refused == 0
    assert answered >= 0.9 * 16 * 20 / mean_s


def test_calls_at_once_rise_no_further_when_answers_take_longer() -> None:
    limit, now = EndpointLimit(64), 0.0
    for _ in range(400):  # a server with four places: whatever is beyond waits its turn
        begun = 0
        while limit.try_begin(now) == 0.0:
            begun += 1
        took_s = 0.1 * max(1.0, begun / 4)
        for _ in range(begun):
            limit.ended(now + took_s, CallEnd(now))
        now += took_s
    assert 4 <= limit.limit < 32


def test_a_limit_that_was_lifted_is_found_out() -> None:
    limit = EndpointLimit(16)
    for _ in range(5):
        assert limit.try_begin(0.0) == 0.0 or limit.under_way
        limit.ended(0.1, CallEnd(0.0))
        limit.try_begin(0.1)
    limit.ended(0.2, CallEnd(0.1, refused=True, retry_after_s=1.0))
    assert limit.try_begin(0.5) == pytest.approx(0.7)
    first = limit.rate(1.5)
    assert first is not None and limit.rate(600.0) > 20 * first  # type: ignore[operator]


def test_a_person_can_hold_a_run_back_while_it_goes_on() -> None:
    limits = CallLimits(8)
    for _ in range(40):
        assert limits.try_begin("e") == 0.0
        limits.ended("e", CallEnd(time.monotonic()))
    assert limits.all_free
    assert limits.hold(2) == 2
    assert [limits.try_begin("e") == 0.0 for _ in range(3)] == [True, True, False]
    assert limits.shown()["e"] == {"at_once": 2, "most": 2, "a_second": None}
    assert limits.hold(99) == 8
    limits.ended("e", CallEnd(time.monotonic()))
    assert [limits.try_begin("e") == 0.0 for _ in range(3)] == [True, True, False]  # it rises with every answer


def test_threads_wait_for_their_turn_and_a_halted_run_waits_for_nothing() -> None:
    meter = Meter(Budget())
    meter.limits = CallLimits(1)
    assert meter.enter(Role.TASK, 1, "e") is Role.TASK
    meter.limits.hold(1)
    limit = meter.limits._of("e")
    limit.fixed = True
    entered: list[str] = []

    def enter(name: str) -> None:
        meter.enter(Role.TASK, 1, "e")
        entered.append(name)
        meter.leave(Role.TASK, 1, "e", CallEnd(time.monotonic()))

    threads = [threading.Thread(target=enter, args=(str(number),)) for number in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    assert entered == []
    meter.leave(Role.TASK, 1, "e", CallEnd(time.monotonic()))
    for thread in threads:
        thread.join(5)
    assert entered == ["0", "1", "2"]
    assert (limit.under_way, meter.total(Role.TASK).calls) == (0, 4)


def test_an_endpoint_is_known_by_its_host_and_shows_no_password() -> None:
    assert host_of("http://me:secret@10.0.0.7:8000/v1") == "10.0.0.7:8000"
    assert endpoint_of(type("LM", (), {"kwargs": {"api_base": "http://a.example/v1"}, "model": "m"})()) == "a.example"
    assert endpoint_of(type("LM", (), {"kwargs": {}, "model": "openai/m"})()) == "openai/m"
