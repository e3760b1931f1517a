"""Caps are exact under threads; failures in a row stop a run, answers and rate limits do not count as such."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.errors import BudgetReached, RunPaused, StopRequested
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.types import ErrorClass, Role, Spent, Usage


def test_a_cap_on_calls_is_exact_under_16_threads() -> None:
    meter = Meter(Budget(max_lm_calls=100))
    start = threading.Barrier(16)

    def hammer(number: int) -> int:
        start.wait()
        admitted = 0
        for _ in range(50):
            try:
                meter.admit((Role.TASK, Role.PROMPT, Role.TEACHER)[number % 3])
            except BudgetReached:
                continue
            admitted += 1
        return admitted

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(hammer, range(16))) == 100
    assert meter.capped_total().calls == 100
    assert isinstance(meter.halt_reason, BudgetReached)


def test_the_sealed_test_is_under_no_cap_and_counts_apart() -> None:
    meter = Meter(Budget(max_lm_calls=1))
    meter.admit(Role.TASK)
    with pytest.raises(BudgetReached, match="The cap of 1 LM calls is reached"):
        meter.admit(Role.PROMPT)
    for _ in range(5):
        meter.admit(Role.TEST)
    assert meter.total(Role.TEST).calls == 5
    assert meter.capped_total().calls == 1


def test_the_sealed_test_still_stops_when_a_person_or_a_dead_endpoint_says_so() -> None:
    for reason in (StopRequested("stop"), RunPaused("down")):
        meter = Meter(Budget())
        meter.halt(reason)
        with pytest.raises(type(reason)):
            meter.admit(Role.TEST)
        meter.open_for_test()
        meter.admit(Role.TEST)


@pytest.mark.parametrize(
    ("budget", "spent"),
    [
        (Budget(max_tokens=100), Usage(input_tokens=60, output_tokens=40)),
        (Budget(max_usd=0.5), Usage(cost_usd=0.5)),
    ],
)
def test_caps_on_tokens_and_dollars_are_checked_before_each_call(budget: Budget, spent: Usage) -> None:
    meter = Meter(budget)
    meter.admit(Role.TASK)
    meter.answered(Role.TASK, spent)
    with pytest.raises(BudgetReached):
        meter.admit(Role.TASK)


def test_the_cap_on_minutes_counts_earlier_lives() -> None:
    Meter(Budget(max_minutes=1.0), spent_s=50).admit(Role.TASK)
    with pytest.raises(BudgetReached, match="minutes"):
        Meter(Budget(max_minutes=1.0), spent_s=61).admit(Role.TASK)


def test_earlier_lives_count_against_the_cap_and_a_cap_of_theirs_is_no_halt_of_ours() -> None:
    earlier = [Spent(Role.TASK, Usage(calls=7)), Spent(Role.TEST, Usage(calls=50))]
    meter = Meter(Budget(max_lm_calls=8), earlier)
    meter.admit(Role.TASK)
    with pytest.raises(BudgetReached):
        meter.admit(Role.TASK)


@pytest.mark.parametrize("error", [ErrorClass.SERVER, ErrorClass.CONNECTION, ErrorClass.TIMEOUT])
def test_failures_in_a_row_halt_the_run(error: ErrorClass) -> None:
    meter = Meter(Budget(), pause_after=3)
    for number in range(3):
        assert not meter.halted.is_set(), number
        meter.admit(Role.TASK)
        meter.failed(Role.TASK, error, 0.1, retried=True)
    assert meter.halted.is_set()
    with pytest.raises(RunPaused, match="3 model calls in a row failed"):
        meter.admit(Role.TASK)


def test_an_answer_ends_the_row_of_failures() -> None:
    meter = Meter(Budget(), pause_after=3)
    for _ in range(5):
        meter.failed(Role.TASK, ErrorClass.SERVER, 0.1, retried=True)
        meter.failed(Role.TASK, ErrorClass.SERVER, 0.1, retried=True)
        meter.answered(Role.TASK, Usage(calls=1))
    assert not meter.halted.is_set()


@pytest.mark.parametrize("error", [ErrorClass.RATE_LIMIT, ErrorClass.PARSE, ErrorClass.CONTEXT, ErrorClass.AUTH])
def test_a_rate_limit_and_failures_of_one_call_do_not_count(error: ErrorClass) -> None:
    meter = Meter(Budget(), pause_after=3)
    for _ in range(20):
        meter.failed(Role.TASK, error, 0.1, retried=True)
    assert not meter.halted.is_set()


def test_an_answered_call_is_one_call_with_its_tokens() -> None:
    meter = Meter(Budget())
    meter.admit(Role.TASK)
    meter.answered(Role.TASK, Usage(calls=1, input_tokens=3, output_tokens=2, cost_usd=None, lm_s=0.5))
    meter.admit(Role.TASK)
    meter.failed(Role.TASK, ErrorClass.SERVER, 0.25, retried=True)
    total = meter.total(Role.TASK)
    assert (total.calls, total.retries, total.input_tokens, total.lm_s) == (2, 1, 3, 0.75)
    assert total.cost_usd is None  # unknown is not free


def test_only_what_changed_is_handed_to_the_next_commit() -> None:
    meter = Meter(Budget(), [Spent(Role.PROMPT, Usage(calls=9))])
    assert meter.changed() == []
    meter.admit(Role.TASK)
    assert [(spent.role, spent.usage.calls) for spent in meter.changed()] == [(Role.TASK, 1)]
    assert meter.changed() == []


def test_the_first_reason_to_halt_stands() -> None:
    meter = Meter(Budget())
    meter.halt(StopRequested("first"))
    meter.halt(RunPaused("second"))
    assert str(meter.halt_reason) == "first"


def test_a_forecast_says_which_cap_has_no_room() -> None:
    meter = Meter(Budget(max_lm_calls=100))
    spent = Usage(calls=40)
    assert meter.capped and not Meter(Budget(max_program_runs=100)).capped
    assert meter.forecast(spent, done=20, more=30) == ""
    assert "100 LM calls" in meter.forecast(spent, done=20, more=31)
    assert meter.forecast(Usage(), done=0, more=1_000) == ""


def spend(meter: Meter, usage: Usage, calls: int = 1) -> None:
    for _ in range(calls):
        role = meter.admit(Role.TASK)
        meter.answered(role, usage)
        meter.leave(role)


@pytest.mark.parametrize(
    ("budget", "usage"),
    [
        (Budget(max_usd=0.5), Usage(1, 0, 100, 10, 0.008)),
        (Budget(max_tokens=6_875), Usage(1, 0, 100, 10, None)),
    ],
    ids=["dollars", "tokens"],
)
def test_what_is_under_way_counts_before_it_is_answered(budget: Budget, usage: Usage) -> None:
    meter = Meter(budget)
    spend(meter, usage, calls=40)
    under_way = []
    with pytest.raises(BudgetReached):
        for _ in range(1000):
            under_way.append(meter.admit(Role.TASK))
    assert len(under_way) == 23  # 63 calls in all, not 40 and a thousand
    for role in under_way:
        meter.answered(role, usage)
        meter.leave(role)
    assert meter.total(Role.TASK).calls == 63


def test_a_role_without_a_price_does_not_make_a_cap_forget_what_the_others_cost() -> None:
    meter = Meter(Budget(max_usd=0.05))
    with pytest.raises(BudgetReached, match=r"0\.05 dollars"):
        for _ in range(100):
            spend(meter, Usage(1, 0, 10, 10, 0.01))
            role = meter.admit(Role.PROMPT)
            meter.answered(role, Usage(1, 0, 10, 10, None))
            meter.leave(role)
    assert meter.capped_total().cost_usd is None
    assert meter.total(Role.TASK).cost_usd == pytest.approx(0.05)
    with pytest.raises(BudgetReached):
        Meter(Budget(max_usd=0.05), meter.changed()).admit(Role.TASK)


def test_calls_that_failed_are_not_under_way_any_more() -> None:
    meter = Meter(Budget(max_tokens=1_000))
    spend(meter, Usage(1, 0, 80, 20))
    for _ in range(50):
        role = meter.admit(Role.TASK)
        meter.failed(role, ErrorClass.RATE_LIMIT, 0.1, retried=False)
        meter.leave(role)
    spend(meter, Usage(1, 0, 80, 20))


def test_a_run_has_so_many_retries_and_pauses_when_they_are_used_up() -> None:
    meter = Meter(Budget(), retry_budget=5)
    for _ in range(5):
        meter.failed(meter.admit(Role.TASK), ErrorClass.RATE_LIMIT, 0.1, retried=True)
    meter.admit(Role.TASK)
    meter.failed(Role.TASK, ErrorClass.RATE_LIMIT, 0.1, retried=True)
    with pytest.raises(RunPaused, match="all retries of the run are used up"):
        meter.admit(Role.TASK)


def test_what_is_under_way_counts_from_the_first_call_on_where_an_earlier_life_tells_its_size() -> None:
    spending = [Spent(Role.TASK, Usage(10, 0, 900, 100, 0.1))]
    meter = Meter(Budget(max_usd=0.2), spending)
    admitted = 0
    with pytest.raises(BudgetReached):
        for _ in range(100):
            meter.admit(Role.PROMPT)
            admitted += 1
    assert admitted == 10
