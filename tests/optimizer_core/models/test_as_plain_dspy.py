"""History, usage, callbacks, options and a program's own models: as plain DSPy has them, and counted all the same."""

import asyncio
import copy
import gc
import io
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dspy
import pytest
from dspy import lm15
from dspy.clients.base_lm import GLOBAL_HISTORY
from dspy.clients.call_result import attributes
from dspy.utils.callback import BaseCallback
from dspy.utils.dummies import DummyLM

from mipro_studio.optimizer_core.config import Budget, ModelSpec
from mipro_studio.optimizer_core.errors import BudgetReached
from mipro_studio.optimizer_core.evaluation.program_run import run_once
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.calls import collect_calls
from mipro_studio.optimizer_core.models.embedded.engine import EmbeddedEngine
from mipro_studio.optimizer_core.models.lms import build_lm
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.types import Cell, Example, Role, Split
from tests.loopback.raw import RawEndpoint, completion
from tests.optimizer_core.scripted import ScriptedEngine, chat, scripted, scripted_model


def echo(request: lm15.Request) -> str:
    text = str(request.messages[-1].parts[0].text).split("[[ ## text ## ]]\n")[1].split("\n")[0]
    return chat(answer=text)


def plain_lm(reply: Any = echo, **more: Any) -> dspy.LM:
    """What a person has: DSPy's own model on the same engine."""
    return dspy.LM("openai/scripted", engine=ScriptedEngine(reply), **{"cache": False, **more})


class Doing(dspy.Module):  # type: ignore[misc]
    """`look(program, text)` says what is answered, after one call."""

    def __init__(self, look: Callable[["Doing", str], Any]) -> None:
        super().__init__()
        self.label = dspy.Predict("text -> answer")
        self.look = look

    def forward(self, text: str) -> dspy.Prediction:
        self.label(text=text)
        return dspy.Prediction(answer=self.look(self, text))


def row(text: str) -> Example:
    return Example(text, Split.VAL, 0, {"text": text}, {})


def cell_of(program: dspy.Module, role_model: Any, text: str = "one", metric: Any = None) -> Cell:
    return run_once(program, row(text), role_model, Scorer(metric or (lambda *_: 1.0), "m"), "c")


def inspected(program: dspy.Module, text: str) -> str:
    out = io.StringIO()
    dspy.inspect_history(1, file=out)
    return out.getvalue()


LOOKS: dict[str, Callable[[Any, str], Any]] = {
    "the configured model's": lambda program, text: dspy.settings.lm.history[-1]["outputs"][0],
    "the module's": lambda program, text: program.history[-1]["outputs"][0],
    "the predictor's": lambda program, text: program.label.history[-1]["outputs"][0],
    "the process's": lambda program, text: GLOBAL_HISTORY[-1]["outputs"][0],
    "dspy.inspect_history": inspected,
    "its keys": lambda program, text: sorted(dspy.settings.lm.history[-1]),
    "its usage": lambda program, text: dspy.settings.lm.history[-1]["usage"],
    "its length": lambda program, text: len(dspy.settings.lm.history),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_history_inside_forward_is_what_plain_dspy_has(look: Callable[[Any, str], Any]) -> None:
    with dspy.context(lm=plain_lm()):
        expected = Doing(look)(text="one").answer
    found = cell_of(Doing(look), scripted_model(echo)).prediction["answer"]
    if isinstance(expected, str) and "User message" in expected:  # all but the time of day
        assert found.split("\n")[5:] == expected.split("\n")[5:]
    else:
        assert found == expected


def test_history_of_program_runs_beside_each_other_is_not_mixed_and_nothing_of_it_stays() -> None:
    def look(program: Doing, text: str) -> str:
        time.sleep(0.005)
        entries = (dspy.settings.lm.history, program.history, program.label.history, GLOBAL_HISTORY)
        return " ".join(f"{len(kept)} {kept[-1]['outputs'][0]}" for kept in entries)

    program, role_model = Doing(look), scripted_model(echo)
    before = len(GLOBAL_HISTORY)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: cell_of(program, role_model, f"text {number}"), range(40)))
    for number, cell in enumerate(found):
        assert cell.prediction["answer"] == " ".join([f"1 {chat(answer=f'text {number}')}"] * 4)
    assert (role_model.lm.history, program.history, program.label.history) == ([], [], [])
    assert len(GLOBAL_HISTORY) == before


def test_a_program_run_and_what_it_was_told_is_forgotten_when_it_is_over() -> None:
    kept: list[weakref.ref[Any]] = []

    class Marked(list[Any]):
        pass

    def look(program: Doing, text: str) -> str:
        program.history = Marked(program.history)
        kept.append(weakref.ref(program.history))
        return text

    cell_of(Doing(look), scripted_model(echo))
    gc.collect()
    assert kept[0]() is None


def test_a_metric_reads_the_history_of_its_program_run() -> None:
    def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
        return dspy.settings.lm.history[-1]["outputs"] == [chat(answer="one")]

    assert cell_of(dspy.Predict("text -> answer"), scripted_model(echo), metric=metric).score == 1.0


def test_a_history_that_a_person_cleared_or_set_before_is_respected() -> None:
    def cleared(program: Doing, text: str) -> int:
        dspy.settings.lm.history.clear()
        program.label(text=text)
        return len(dspy.settings.lm.history)

    assert cell_of(Doing(cleared), scripted_model(echo)).prediction["answer"] == 1
    program = Doing(lambda program, text: len(program.history))
    program.history = ["an earlier turn"]
    assert cell_of(program, scripted_model(echo)).prediction["answer"] == 2
    assert program.history == ["an earlier turn"]


def test_history_can_be_switched_off_and_calls_are_counted_all_the_same() -> None:
    with dspy.context(disable_history=True):
        cell = cell_of(Doing(lambda program, text: len(dspy.settings.lm.history)), scripted_model(echo))
    assert (cell.prediction["answer"], cell.usage.calls, cell.usage.input_tokens) == (0, 1, 10)


def test_tracked_usage_is_what_plain_dspy_says() -> None:
    with dspy.context(lm=plain_lm(), track_usage=True):
        expected = Doing(lambda program, text: text)(text="one").get_lm_usage()
    said: list[Any] = []

    def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
        said.append(prediction.get_lm_usage())
        return True

    with dspy.context(track_usage=True):
        cell_of(Doing(lambda program, text: text), scripted_model(echo), metric=metric)
    assert said == [expected] and expected["openai/scripted"]["prompt_tokens"] == 10


class Heard(BaseCallback):  # type: ignore[misc]
    def __init__(self) -> None:
        self.said: list[tuple[str, Any]] = []

    def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
        self.said.append(("start", sorted(inputs)))

    def on_lm_end(self, call_id: str, outputs: Any, exception: BaseException | None = None) -> None:
        self.said.append(("end", outputs))


@pytest.mark.parametrize("how", ["sync", "async"])
def test_callbacks_hear_of_a_call_once_whatever_its_retries_as_in_plain_dspy(how: str) -> None:
    def ask(lm: Any) -> None:
        if how == "sync":
            lm("[[ ## text ## ]]\none\n")
        else:
            asyncio.run(lm.acall("[[ ## text ## ]]\none\n"))

    def flaky() -> Callable[[lm15.Request], str]:
        fails = iter([True, False])

        def reply(request: lm15.Request) -> str:
            if next(fails):
                raise lm15.ServerError("busy", retry_after=0.0)
            return echo(request)

        return reply

    plain, ours = Heard(), Heard()
    engine = ScriptedEngine(flaky())
    with dspy.context(callbacks=[plain]):
        from mipro_studio.optimizer_core.models.engines import ThreadedEngine

        ask(dspy.LM("openai/scripted", engine=engine, async_engine=ThreadedEngine(engine), cache=False))
    meter = Meter(Budget())
    with dspy.context(callbacks=[ours]):
        ask(scripted(flaky(), meter, retries=1))
    assert ours.said == plain.said and len(ours.said) == 2
    assert (meter.total(Role.TASK).calls, meter.total(Role.TASK).retries) == (2, 1)


def test_a_models_own_callbacks_fire() -> None:
    heard = Heard()
    cell_of(dspy.Predict("text -> answer"), scripted_model(echo, callbacks=[heard]))
    assert [kind for kind, _ in heard.said] == ["start", "end"]


def test_options_of_a_call_and_of_a_predictor_reach_the_model() -> None:
    seen: list[Any] = []

    def reply(request: lm15.Request) -> str:
        seen.append((request.config.temperature, request.config.max_tokens))
        return echo(request)

    role_model = scripted_model(reply, temperature=0.3, max_tokens=50)
    cell_of(dspy.Predict("text -> answer"), role_model)
    cell_of(dspy.Predict("text -> answer", temperature=0.9, rollout_id=3), role_model)
    with collect_calls(lm=role_model.lm.copy(max_tokens=7), adapter=role_model.adapter):
        dspy.Predict("text -> answer")(text="one", config={"temperature": 0.1})
    assert seen == [(0.3, 50), (0.9, 50), (0.1, 7)]


def test_several_completions_are_several_calls() -> None:
    meter = Meter(Budget(max_lm_calls=4))
    role_model = scripted_model(echo, meter)
    cell = cell_of(dspy.Predict("text -> answer", n=3), role_model)
    assert (cell.usage.calls, cell.usage.input_tokens, meter.total(Role.TASK).calls) == (3, 30, 3)


def test_a_repeated_call_is_asked_again_whatever_it_says_about_caching() -> None:
    asked: list[int] = []

    def reply(request: lm15.Request) -> str:
        asked.append(1)
        return echo(request)

    role_model = scripted_model(reply)
    for _ in range(2):
        cell_of(dspy.Predict("text -> answer", cache=True), role_model)
    assert len(asked) == 2


def own(program_lm: Any) -> dspy.Module:
    program = dspy.Predict("text -> answer")
    program.lm = program_lm
    return program


def test_a_program_with_a_model_of_its_own_is_counted_and_capped_under_its_role() -> None:
    meter = Meter(Budget(max_lm_calls=2))
    role_model = scripted_model(echo, meter, Role.TEACHER)
    for lm in (plain_lm(), DummyLM([{"answer": "x"}])):
        assert cell_of(own(lm), role_model).usage.calls == 1
    with pytest.raises(BudgetReached):
        cell_of(own(plain_lm()), role_model)
    assert meter.total(Role.TEACHER).calls == 2


def test_a_metric_that_asks_a_model_of_its_own_is_counted_in_the_cell() -> None:
    meter = Meter(Budget())
    judge = plain_lm(lambda request: chat(verdict="yes"))

    def metric(example: Any, prediction: Any, trace: Any = None) -> bool:
        with dspy.context(lm=judge):
            return bool(dspy.Predict("answer -> verdict")(answer=prediction.answer).verdict == "yes")

    cell = cell_of(dspy.Predict("text -> answer"), scripted_model(echo, meter), metric=metric)
    assert (cell.score, cell.usage.calls, meter.total(Role.TASK).calls) == (1.0, 2, 2)


def test_a_program_s_own_model_keeps_its_cache_and_an_answer_out_of_it_is_no_call() -> None:
    asked: list[int] = []

    def reply(request: lm15.Request) -> str:
        asked.append(1)
        return echo(request)

    meter = Meter(Budget())
    program = own(plain_lm(reply, cache=True, rollout_id=time.time_ns(), temperature=0.7))
    usages = [cell_of(program, scripted_model(echo, meter)).usage for _ in range(3)]
    assert len(asked) == 1
    assert [usage.calls for usage in usages] == [1, 0, 0]
    assert [usage.input_tokens for usage in usages] == [10, 0, 0]
    assert meter.total(Role.TASK).calls == 1


def test_a_program_s_own_model_keeps_its_retries_and_each_attempt_is_counted() -> None:
    fails = iter([True, True, False])

    def reply(request: lm15.Request) -> str:
        if next(fails):
            raise lm15.RateLimitError("slow down", retry_after=0.0)
        return echo(request)

    meter = Meter(Budget())
    lm = plain_lm(reply, num_retries=2)
    cell = cell_of(own(lm), scripted_model(echo, meter))
    assert cell.score == 1.0
    assert (meter.total(Role.TASK).calls, meter.total(Role.TASK).retries, cell.usage.retries) == (3, 2, 2)
    assert lm.num_retries == 2


def test_a_copy_of_a_model_counts_on_the_same_meter() -> None:
    meter = Meter(Budget())
    lm = scripted(lambda request: "x", meter)
    for copied in (copy.deepcopy(lm), copy.copy(lm), lm.copy(temperature=0.5)):
        copied("hello")
    assert meter.total(Role.TASK).calls == 3


def test_best_of_n_asks_a_predictors_own_model_and_is_counted() -> None:
    meter = Meter(Budget())
    program = dspy.Predict("text -> answer")
    program.lm = scripted(echo, meter, Role.TEACHER)
    best = dspy.BestOfN(program, N=3, reward_fn=lambda args, prediction: 0.0, threshold=1.0)
    cell = cell_of(best, scripted_model(echo, meter))
    assert (cell.score, cell.usage.calls) == (1.0, 3)


def test_awaiting_a_model_does_not_block_the_program_s_event_loop() -> None:
    under_way = most = 0
    lock = threading.Lock()

    def slow(request: lm15.Request) -> str:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.3)
        with lock:
            under_way -= 1
        return echo(request)

    class Ticking(dspy.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.label = dspy.Predict("text -> answer")

        async def aforward(self, text: str) -> dspy.Prediction:
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    await asyncio.sleep(0.01)
                    ticks += 1

            beside = asyncio.create_task(tick())
            await asyncio.gather(*(self.label.acall(text=text) for _ in range(20)))
            beside.cancel()
            return dspy.Prediction(answer=ticks)

        def forward(self, text: str) -> dspy.Prediction:
            return asyncio.run(self.acall(text=text))

    cell = cell_of(Ticking(), scripted_model(slow))
    assert cell.usage.calls == 20
    assert cell.prediction["answer"] > 5
    assert most > 1


def test_a_halt_wakes_a_task_that_waits_for_its_retry() -> None:
    def fails(request: lm15.Request) -> str:
        raise lm15.RateLimitError("later", retry_after=60.0)

    meter = Meter(Budget())
    lm = scripted(fails, meter, retries=3)

    async def main() -> None:
        asking = asyncio.create_task(lm.acall("hello"))
        await asyncio.sleep(0.1)
        meter.halt(BudgetReached("enough"))
        with pytest.raises(BudgetReached):
            await asyncio.wait_for(asking, 50)

    asyncio.run(main())


def test_the_embedded_model_is_awaited_too_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    said = ScriptedEngine(lambda request: "billing").complete
    monkeypatch.setattr(EmbeddedEngine, "complete", lambda engine, request: said(request))
    meter = Meter(Budget(max_lm_calls=2))
    lm = build_lm(ModelSpec(), Role.TASK, meter, 0, 0)

    async def main() -> list[list[str]]:
        return await asyncio.gather(*(lm.acall("hello") for _ in range(2)))

    assert asyncio.run(main()) == [["billing"]] * 2
    assert meter.total(Role.TASK).calls == 2
    with pytest.raises(BudgetReached):
        asyncio.run(lm.acall("hello"))


@pytest.mark.parametrize("kind", ["native", "left to LiteLLM"])
def test_an_endpoint_model_is_awaited_on_every_way_to_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def litellm(**request: Any) -> Any:
        message = {"role": "assistant", "content": "hello", "refusal": None}
        choice = attributes({"index": 0, "finish_reason": "stop", "message": message})
        usage = {"prompt_tokens": 7, "completion_tokens": 2}
        return attributes({"model": "m", "choices": [choice], "usage": usage})

    if kind != "native":
        monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
        monkeypatch.setattr("dspy.clients.lm.alitellm_completion", litellm)
    meter = Meter(Budget())
    with RawEndpoint(lambda: completion("hello", usage={"prompt_tokens": 7, "completion_tokens": 2})) as endpoint:
        lm = build_lm(ModelSpec(model="openai/m", api_base=endpoint.base_url), Role.TASK, meter, 0, 0)
        assert (lm.engine == "auto") is (kind != "native")
        for _ in range(2):  # each with an event loop of its own
            assert asyncio.run(lm.acall("hello")) == ["hello"]
    assert meter.total(Role.TASK).input_tokens == 14
