"""What every optimizer owes: it ends, resumes without paying again, keeps to its caps, leaves frozen ones."""

from functools import cache

import pytest

from optimizer_core.optimizers import OPTIMIZERS
from optimizer_core.types import Role, Split, Status
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import Life, live
from tests.optimizer_core.optimizers.small import ALL, THREADS, choices, journal, killed, run, settings, suggested

OURS = [role.value for role in (Role.TASK, Role.PROMPT, Role.TEACHER)]


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
    assert calls == sum(life.kit.meter.total(role).calls for role in Role)
    assert all(cell.error is None for cell in life.journal.cells())


@pytest.mark.parametrize("optimizer", ALL)
def test_a_killed_run_resumes_and_comes_to_the_same(endpoint: LoopbackEndpoint, optimizer: str) -> None:
    uninterrupted, calls = whole(endpoint, optimizer)
    endpoint.reset()
    config, memory = settings(endpoint, optimizer), journal()

    killed(config, memory, uninterrupted.journal.commits // 2)
    assert memory.outcome() is None
    resumed = live(config, memory)

    assert resumed.ending.status is Status.COMPLETED
    assert endpoint.stats()["total"] <= calls + 2 * THREADS
    assert resumed.decisions == uninterrupted.decisions


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

    spent = sum(uninterrupted.kit.meter.total(role).calls for role in Role if role is not Role.TEST)
    endpoint.reset()
    by_calls = run(endpoint, optimizer, budget={"max_lm_calls": spent * 2 // 3})

    at_endpoint = endpoint.stats()["total"] - by_calls.kit.meter.total(Role.TEST).calls
    assert by_calls.ending.capped and by_calls.ending.status is Status.COMPLETED
    assert at_endpoint <= spent * 2 // 3


@pytest.mark.parametrize("optimizer", [name for name in ALL if name != "opro"])
def test_a_frozen_predictor_keeps_its_seed(endpoint: LoopbackEndpoint, optimizer: str) -> None:
    life = run(endpoint, optimizer, search={"freeze": ["tone"], "trials": 2})

    places = choices(suggested(life))
    assert all(tone == (0, 0) for _, tone in places)
    assert any(queue != (0, 0) for queue, _ in places)
    assert not any(arm.index for arm in life.journal.instructions() if arm.predictor == "tone")


def test_each_has_a_name_and_a_line() -> None:
    for name, optimizer in OPTIMIZERS.items():
        assert optimizer.name == name
        assert optimizer.summary.endswith(".") and "\n" not in optimizer.summary and len(optimizer.summary) < 110
