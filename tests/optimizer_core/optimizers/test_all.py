"""What every optimizer owes: it ends, resumes without paying again, keeps to its caps, leaves frozen ones."""

import gc
from functools import cache

import pytest

from mipro_studio.optimizer_core import catalogue
from mipro_studio.optimizer_core.optimizers.registry import OPTIMIZERS
from mipro_studio.optimizer_core.types import Role, Split, Status, TrialKind
from tests.arms import demo_sets_of, instructions_of
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import Life, live
from tests.optimizer_core.optimizers.small import ALL, choices, journal, killed, run, settings, suggested
from tests.optimizer_core.runs.test_plan import assert_in, plan_of

pytestmark = pytest.mark.timeout(310)
QUICK = "tests/programs/quick.py"
"""The desk without model calls of its own, for what does not depend on them."""

LOOPS = ("studio", "bootstrap_rs", "mipro_pp", "module_opro", "program_opro", "gepa")
"""One of each loop; `test_crash_decisions.py` plays answers in other orders for all."""


@cache
def whole(endpoint: LoopbackEndpoint, optimizer: str) -> tuple[Life, int]:
    """An uninterrupted run, and the calls that the endpoint saw."""
    endpoint.reset()
    life = run(endpoint, optimizer)
    return life, endpoint.stats()["total"]


@pytest.mark.parametrize("optimizer", ALL)
def test_it_runs_to_the_end(endpoint: LoopbackEndpoint, optimizer: str) -> None:
    life, calls = whole(endpoint, optimizer)

    assert life.ending.status is Status.COMPLETED, life.ending.reason
    assert not life.ending.capped
    outcome = life.journal.outcome()
    assert outcome is not None and outcome.best_test is not None
    n = 1 if optimizer == "bootstrap_few_shot" else 3 if optimizer == "bootstrap_rs" else 5
    assert len(suggested(life)) == n or optimizer == "gepa"
    assert suggested(life)
    assert calls == sum(life.context.meter.total(role).calls for role in Role)
    assert all(cell.error is None for cell in life.journal.cells())
    assert_in(plan_of(life.context.config), life)


@pytest.mark.parametrize("optimizer", ALL)
def test_a_killed_run_resumes_without_asking_for_anything_that_is_on_record(
    endpoint: LoopbackEndpoint, optimizer: str
) -> None:
    uninterrupted, calls = whole(endpoint, optimizer)
    config, memory = settings(endpoint, optimizer), journal()
    killed(config, memory, cells=len(list(uninterrupted.journal.cells())) // 2)
    assert memory.outcome() is None
    known = sum(cell.usage.calls for cell in memory.cells()) + len(list(memory.prompt_calls()))
    assert 0 < known < calls
    endpoint.reset()

    resumed = live(config, memory)

    assert resumed.ending.status is Status.COMPLETED
    assert endpoint.stats()["total"] == calls - known
    assert resumed.decisions == uninterrupted.decisions


@pytest.mark.parametrize("optimizer", LOOPS)
def test_threads_decide_nothing(endpoint: LoopbackEndpoint, optimizer: str) -> None:
    with_many, _ = whole(endpoint, optimizer)

    assert run(endpoint, optimizer, threads=1).decisions == with_many.decisions


def test_over_http_a_run_is_the_same(endpoint: LoopbackEndpoint, http_endpoint: LoopbackEndpoint) -> None:
    inside, calls = whole(endpoint, "mipro")

    assert run(http_endpoint, "mipro").decisions == inside.decisions
    assert http_endpoint.stats()["total"] == calls


@pytest.mark.parametrize("optimizer", ALL)
def test_the_seed_decides(endpoint: LoopbackEndpoint, optimizer: str) -> None:
    one = run(endpoint, optimizer, program=QUICK)
    other = run(endpoint, optimizer, program=QUICK, seed=1)

    # The rows are dealt by the test, so BootstrapFewShot, which draws nothing but labelled demos, is left out.
    assert optimizer == "bootstrap_few_shot" or other.decisions != one.decisions


@pytest.mark.parametrize("optimizer", ALL)
def test_the_review_gate_stops_what_is_written_before_the_search(endpoint: LoopbackEndpoint, optimizer: str) -> None:
    config = settings(endpoint, optimizer, program=QUICK, review=True, search={"trials": 1})
    life = live(config, journal(), approved=False)

    if reviewed := OPTIMIZERS[optimizer].reviewed:
        assert life.ending.status is Status.AWAITING_REVIEW and reviewed in life.ending.reason
        assert [trial.kind for trial in life.trials] == [TrialKind.BASELINE]
        written = [arm for arm in instructions_of(life.journal) if arm.index]
        sets = [arm for arm in demo_sets_of(life.journal) if arm.index]
        assert bool(written) is ("instructions" in reviewed) and bool(sets)
        return
    assert life.ending.status is Status.COMPLETED
    notes = [event.data["text"] for event in life.journal.events if event.kind == "note"]
    assert any("nothing to review" in text for text in notes)


@pytest.mark.parametrize("optimizer", ALL)
def test_it_keeps_to_its_caps(endpoint: LoopbackEndpoint, optimizer: str) -> None:
    uninterrupted, _ = whole(endpoint, optimizer)
    cells = [cell for cell in uninterrupted.journal.cells() if cell.key.split is not Split.TEST]
    cap = len(cells) * 3 // 4
    endpoint.reset()

    by_runs = run(endpoint, optimizer, budget={"max_program_runs": cap})

    assert by_runs.ending.capped and by_runs.ending.status is Status.COMPLETED
    assert sum(cell.key.split is not Split.TEST for cell in by_runs.journal.cells()) <= cap
    assert by_runs.journal.outcome() is not None

    spent = sum(uninterrupted.context.meter.total(role).calls for role in Role if role is not Role.TEST)
    endpoint.reset()
    by_calls = run(endpoint, optimizer, budget={"max_lm_calls": spent * 2 // 3})

    at_endpoint = endpoint.stats()["total"] - by_calls.context.meter.total(Role.TEST).calls
    assert by_calls.ending.capped and by_calls.ending.status is Status.COMPLETED
    assert at_endpoint <= spent * 2 // 3


@pytest.mark.parametrize(("optimizer", "calls"), [(name, (5, 30)[place % 2]) for place, name in enumerate(ALL)])
def test_a_cap_leaves_no_error_that_nobody_saw(
    endpoint: LoopbackEndpoint, optimizer: str, calls: int, caplog: pytest.LogCaptureFixture
) -> None:
    gc.collect()
    caplog.clear()
    assert run(endpoint, optimizer, budget={"max_lm_calls": calls}).ending.capped
    gc.collect()  # a task says that its error was never retrieved when it is collected
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


@pytest.mark.parametrize("optimizer", ALL)
def test_a_frozen_predictor_keeps_its_seed(endpoint: LoopbackEndpoint, optimizer: str) -> None:
    life = run(endpoint, optimizer, program=QUICK, search={"freeze": ["tone"], "trials": 2})

    places = choices(suggested(life))
    assert all(tone == (0, 0) for _, tone in places)
    assert any(queue != (0, 0) for queue, _ in places)
    assert not any(arm.index for arm in instructions_of(life.journal) if arm.owner == "tone")


def test_each_has_a_name_and_a_line() -> None:
    for name, optimizer in OPTIMIZERS.items():
        assert optimizer.name == name
        summary = catalogue.OPTIMIZERS[name].summary
        assert summary.endswith(".") and "\n" not in summary and len(summary) < 130
