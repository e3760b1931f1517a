"""The limit of an endpoint on a clock of the test's own: what it holds back, and how much of a limit runs use."""

import threading
import time

import pytest

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.sharing.call_limits import CallLimits, endpoint_of, host_of
from mipro_studio.optimizer_core.models.sharing.endpoint_limit import CallEnd, EndpointLimit
from mipro_studio.optimizer_core.types import Role
from tests.optimizer_core.models.simulated_endpoints import (
    Bucket,
    Endpoint,
    Flaky,
    Latency,
    Open,
    Places,
    Window,
    constant,
    exponential,
    simulated,
    slow_twentieth,
)

THREADS = 16


def limits(runs: int, threads: int = THREADS, finds: bool = True) -> list[EndpointLimit]:
    return [EndpointLimit(threads, finds) for _ in range(runs)]


def test_four_runs_share_a_limit_by_what_they_observe() -> None:
    seen = [
        simulated(Bucket(lambda now: 10.0, 10.0, exponential(0.1)), limits(4), THREADS, 360.0, seed=seed)
        for seed in range(3)
    ]
    assert min(one.answered for one in seen) >= 0.93 * 3600
    assert sum(one.refused for one in seen) <= 0.01 * sum(one.answered + one.refused for one in seen)


@pytest.mark.parametrize(
    ("endpoint", "runs", "threads", "takes", "refused"),
    [
        (Bucket(lambda now: 0.5, 10.0, exponential(0.1)), 1, THREADS, 450.0, 0.05),
        (Bucket(lambda now: 100 / 60, 5.0, exponential(1.0)), 3, 8, 1500.0, 0.04),
        (Bucket(lambda now: 20.0 if now < 450.0 else 10.0, 10.0, exponential(0.1)), 4, THREADS, 13_500.0, 0.01),
        (Bucket(lambda now: 10.0, 10.0, exponential(0.1), says=lambda wait_s: None), 4, THREADS, 9000.0, 0.1),
        (Window(300, exponential(0.5)), 3, 8, 4500.0, 0.015),
        (Places(5, slow_twentieth(0.07)), 1, 24, 5 * 900 / (1.45 * 0.07), 0.01),
    ],
    ids=[
        "30 a minute",
        "100 a minute, slow",
        "halved meanwhile",
        "does not say when",
        "by the whole minute",
        "so many at once",
    ],
)
def test_most_of_any_limit_is_used(endpoint: Endpoint, runs: int, threads: int, takes: float, refused: float) -> None:
    """In 15 minutes, the time in which it is found included."""
    seen = simulated(endpoint, limits(runs, threads), threads, 900.0)
    assert seen.answered >= 0.88 * takes
    assert seen.refused_share <= refused


@pytest.mark.parametrize("share", [0.01, 0.03, 0.1])
def test_refusals_that_do_not_depend_on_the_pace_are_not_taken_for_a_limit(share: float) -> None:
    """They once slowed a run down to a hundredth, without end."""
    endpoint = Flaky(share, Open(exponential(0.1)))
    held = [simulated(endpoint, limits(1), THREADS, 300.0, seed=seed) for seed in range(4)]
    free = simulated(endpoint, limits(1, finds=False), THREADS, 300.0)
    assert min(one.answered for one in held) >= 0.5 * free.answered
    assert sum(one.answered for one in held) >= 0.85 * 4 * free.answered


@pytest.mark.parametrize(
    "latency",
    [constant(0.1), exponential(0.1), slow_twentieth(0.1)],
    ids=["constant", "exponential", "one in twenty ten times slower"],
)
def test_an_endpoint_that_refuses_nothing_is_soon_held_back_by_nothing(latency: Latency) -> None:
    held, free = (simulated(Open(latency), limits(1, finds=finds), THREADS, 20.0) for finds in (True, False))
    assert held.refused == 0
    assert held.answered >= 0.97 * free.answered


def test_what_was_asked_slowly_before_says_nothing_of_the_limit() -> None:
    """One call in three seconds while instructions are written, then all threads at once."""
    limit = EndpointLimit(THREADS)
    for number in range(100):
        assert limit.try_begin(3.0 * number) == 0.0
        limit.ended(3.0 * number + 2.0, CallEnd(3.0 * number))
    now = 301.0
    for _ in range(20):
        assert limit.try_begin(now) == 0.0
        limit.ended(now + 0.05, CallEnd(now))
        now += 0.05
    assert limit.try_begin(now) == 0.0
    limit.ended(now, CallEnd(now, refused=True, retry_after_s=0.1))
    rate = limit.rate(now + 0.1)
    assert rate is not None and rate > 5.0


def test_refusals_of_calls_that_began_before_the_last_one_count_once() -> None:
    limit = EndpointLimit(THREADS)
    for number in range(40):
        assert limit.try_begin(0.1 * number) == 0.0
        limit.ended(0.1 * number + 0.05, CallEnd(0.1 * number))
    for _ in range(5):
        assert limit.try_begin(4.0) == 0.0
    limit.ended(4.1, CallEnd(4.0, refused=True, retry_after_s=1.0))
    once = limit.rate(20.0)
    for late_s in (0.0, 0.01, 0.5, 0.9):  # heard of late, from a process that was slow to tell
        limit.ended(4.1 + late_s, CallEnd(4.0 + late_s, refused=True, retry_after_s=0.05))
    assert limit.rate(20.0) == once is not None


def test_calls_at_once_rise_no_further_when_answers_take_longer() -> None:
    limit, now = EndpointLimit(64), 0.0
    for _ in range(400):  # a server with four places: whatever is beyond waits its turn
        begun = 0
        while begun < 64 and limit.try_begin(now) == 0.0:
            begun += 1
        took_s = 0.1 * max(1.0, begun / 4)
        for _ in range(begun):
            limit.ended(now + took_s, CallEnd(now))
        now += took_s
    assert 4 <= limit.at_once < 48


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
    held = CallLimits(8)
    for _ in range(40):
        assert held.try_begin("e") == 0.0
        held.ended("e", CallEnd(time.monotonic()))
    assert held.all_free
    assert held.hold(2) == 2
    assert [held.try_begin("e") == 0.0 for _ in range(3)] == [True, True, False]
    assert held.shown()["e"] == {"at_once": 2, "most": 2, "a_second": None}
    assert held.hold(99) == 8
    held.ended("e", CallEnd(time.monotonic()))
    assert [held.try_begin("e") == 0.0 for _ in range(3)] == [True, True, False]  # it rises with every answer


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
    for number, thread in enumerate(threads):
        thread.start()
        while len(meter.limits._lines["e"]) <= number:
            time.sleep(0.001)
    assert entered == []
    meter.leave(Role.TASK, 1, "e", CallEnd(time.monotonic()))
    for thread in threads:
        thread.join(120)
    assert entered == ["0", "1", "2"]
    assert (limit.under_way, meter.total(Role.TASK).calls) == (0, 4)


def test_an_endpoint_is_known_by_its_host_and_shows_no_password() -> None:
    assert host_of("http://me:secret@10.0.0.7:8000/v1") == "10.0.0.7:8000"
    assert endpoint_of(type("LM", (), {"kwargs": {"api_base": "http://a.example/v1"}, "model": "m"})()) == "a.example"
    assert endpoint_of(type("LM", (), {"kwargs": {}, "model": "openai/m"})()) == "openai/m"
