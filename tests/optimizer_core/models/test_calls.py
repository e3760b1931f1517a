"""Calls belong to their program run, in whatever thread or task they are made; a refused one ends it."""

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dspy
import pytest
from dspy import lm15

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.errors import BudgetReached, StopRequested
from mipro_studio.optimizer_core.evaluation.program_run import run_once
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.calls import collect_calls
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.types import Cell, Example, Role, Split
from tests.optimizer_core.scripted import chat, scripted, scripted_model
from tests.programs.concurrent_ways import WAYS, Twice

SCORER = Scorer(lambda example, prediction, trace=None: prediction.answer == f"{example.text} {example.text}", "both")


def last_text(request: lm15.Request) -> str:
    return str(request.messages[-1].parts[0].text)


def echo(request: lm15.Request) -> str:
    """Answers with the input, under both names."""
    text = last_text(request).split("[[ ## text ## ]]\n")[1].split("\n")[0]
    return chat(notes=text, answer=text)


def row(number: int) -> Example:
    return Example(f"e{number}", Split.VAL, number, {"text": f"text {number}"}, {})


def cells(program: dspy.Module, role_model: RoleModel, n: int = 12, threads: int = 6) -> list[Cell]:
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda number: run_once(program, row(number), role_model, SCORER, "c"), range(n)))


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_way_of_asking_at_once_counts_in_its_own_program_run(way: Callable[..., Any]) -> None:
    meter = Meter(Budget())
    found = cells(Twice(way), scripted_model(echo, meter))
    assert [(cell.score, cell.error_message) for cell in found] == [(1.0, "")] * 12
    assert [(cell.usage.calls, cell.usage.input_tokens) for cell in found] == [(2, 20)] * 12
    assert meter.total(Role.TASK).calls == 24


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_call_refused_in_another_thread_ends_the_program_run_as_refused(way: Callable[..., Any]) -> None:
    meter = Meter(Budget(max_lm_calls=5))
    role_model = scripted_model(echo, meter)
    ended: list[object] = []
    for number in range(4):
        try:
            ended.append(run_once(Twice(way), row(number), role_model, SCORER, "c").score)
        except BudgetReached as refusal:
            ended.append(type(refusal))
    assert ended == [1.0, 1.0, BudgetReached, BudgetReached]
    assert meter.total(Role.TASK).calls == 5


def test_a_halt_is_no_error_of_a_program_that_swallows_everything() -> None:
    class Careless(dspy.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.label = dspy.Predict("text -> answer")

        def forward(self, text: str) -> dspy.Prediction:
            def ask() -> str:
                try:
                    return str(self.label(text=text).answer)
                except Exception:  # noqa: BLE001 - as people write it
                    return text

            with ThreadPoolExecutor(1) as pool:
                said = pool.submit(ask).result()
            return dspy.Prediction(answer=f"{said} {said}")

    meter = Meter(Budget())
    meter.halt(StopRequested("stop"))
    with pytest.raises(StopRequested):
        run_once(Careless(), row(0), scripted_model(echo, meter), SCORER, "c")


def test_threads_of_a_sealed_test_and_of_a_teacher_ask_the_model_of_that_role() -> None:
    meter = Meter(Budget(max_lm_calls=1))
    task = scripted(echo, meter)
    dspy.configure(lm=task, adapter=None)
    try:
        for role in (Role.TEST, Role.TEST):
            role_model = scripted_model(echo, meter, role)
            assert run_once(Twice(WAYS["plain_threads"]), row(0), role_model, SCORER, "c").usage.calls == 2
    finally:
        dspy.configure(lm=None)
    assert meter.total(Role.TEST).calls == 4
    assert meter.total(Role.TASK).calls == 0


def test_a_thread_finds_the_settings_of_the_program_run_and_not_those_of_a_block_as_in_plain_dspy() -> None:
    seen: list[object] = []
    with (
        collect_calls(lm="run", adapter="run", trace=[]),
        dspy.context(lm="block"),
        ThreadPoolExecutor(1) as pool,
    ):
        pool.submit(lambda: seen.append(dspy.settings.lm)).result()
        asyncio.run(asyncio.to_thread(lambda: seen.append(dspy.settings.lm)))
    assert seen == ["run", "block"]


def test_what_a_pools_thread_keeps_for_itself_stays() -> None:
    from contextvars import ContextVar

    kept: ContextVar[str] = ContextVar("kept")
    with ThreadPoolExecutor(1, initializer=lambda: kept.set("initializer")) as pool:  # type: ignore[arg-type]
        with collect_calls():
            assert pool.submit(kept.get).result() == "initializer"
        assert pool.submit(kept.get).result() == "initializer"


def test_a_thread_left_behind_adds_nothing_to_a_program_run_that_is_over_but_is_counted() -> None:
    meter = Meter(Budget())
    lm = scripted(echo, meter)
    go = threading.Event()

    def late() -> None:
        go.wait(150)
        lm("[[ ## text ## ]]\nx\n")

    with collect_calls(lm=lm) as log:
        thread = threading.Thread(target=late)
        thread.start()
    go.set()
    thread.join()
    assert log.calls == ()
    assert meter.total(Role.TASK).calls == 1


@pytest.mark.parametrize("born", ["at import", "in an earlier program run"])
def test_a_refusal_that_nobody_can_place_ends_every_program_run_that_is_under_way(born: str) -> None:
    meter = Meter(Budget(max_lm_calls=2))
    lm = scripted(echo, meter)
    asked: queue.Queue[threading.Event] = queue.Queue()

    def serve() -> None:
        for _ in range(3):
            done = asked.get()
            with contextlib.suppress(BudgetReached):
                lm("[[ ## text ## ]]\nx\n")
            done.set()

    def wait_for_an_answer() -> None:
        done = threading.Event()
        asked.put(done)
        assert done.wait(150)

    server = threading.Thread(target=serve)
    if born == "at import":
        server.start()
    with collect_calls(lm=lm):
        if born != "at import":
            server.start()
        wait_for_an_answer()
    with collect_calls(lm=lm) as second:
        wait_for_an_answer()
    with collect_calls(lm=scripted(echo)) as of_another_run, collect_calls(lm=lm) as third:
        wait_for_an_answer()
    server.join()
    assert (second.refused, of_another_run.refused) == (None, None)
    assert isinstance(third.refused, BudgetReached)
