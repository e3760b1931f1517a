"""The evaluator: what is paid for, what an error is, and when a run is hopeless."""

import asyncio
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import dspy
import pytest
from dspy.utils import exceptions as dspy_errors

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.errors import BudgetReached, LeaseLost, RunFailed, TooManyErrors
from mipro_studio.optimizer_core.evaluation import pool
from mipro_studio.optimizer_core.evaluation.cell_request import CellRunner
from mipro_studio.optimizer_core.evaluation.evaluator import Evaluator, Limits
from mipro_studio.optimizer_core.evaluation.executor import ThreadExecutor
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.programs.values import as_prompted
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, Role, Split
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import NOBODY, Acting, build_role_model, failed, make_examples
from tests.programs import desk, more
from tests.waits import HandWatch, until

EXAMPLES = make_examples(4, 10, 6)
VAL = [row for row in EXAMPLES if row.split is Split.VAL]
TEST = [row for row in EXAMPLES if row.split is Split.TEST]

NO_LIMITS = Limits()


def one(example: Any, prediction: Any, trace: Any = None) -> float:
    return 1.0


class Bench:
    """An evaluator with a journal and a table to look at; `runs` counts program runs by message."""

    def __init__(self, cells: list[Cell], metric: Any, limits: Limits) -> None:
        self.pool = WorkPool(8)
        self.journal = MemoryJournal()
        self.table = ScoreTable(cells)
        self.meter = Meter(Budget())
        recorder = Recorder(self.journal, self.meter)
        self._modules: dict[str, dspy.Module] = {}
        self._models: dict[Role, RoleModel] = {}
        scorer = Scorer(metric, "metric")
        runner = CellRunner(lambda arms: self._modules[next(iter(arms.by_kind["module"]))], self._model, scorer)
        self.evaluator = Evaluator(ThreadExecutor(self.pool, runner), recorder, self.table, limits)
        self.runs: Counter[str] = Counter()
        self._lock = threading.Lock()

    def _model(self, role: Role, weights: str | None) -> RoleModel:
        return self._models[role]

    async def cells(
        self,
        candidate: str,
        module: dspy.Module,
        rows: Sequence[Example],
        model: RoleModel,
        purpose: Purpose = Purpose.EVALUATE,
    ) -> list[Cell]:
        """Cells of a module and a model that are at hand, and not made from settings."""
        name = str(id(module))
        self._modules[name], self._models[Role.TASK] = module, model
        return await self.evaluator.cells(candidate, ArmContents({"module": {name: {}}}), rows, purpose=purpose)

    def acting(self, act: Callable[[str, int], Any]) -> Acting:
        """A program that is `act(message, how many runs of it there were before)`."""

        def counted(message: str) -> Any:
            with self._lock:
                before = self.runs[message]
                self.runs[message] += 1
            return act(message, before)

        return Acting(counted)


def on_bench(
    test: Callable[[Bench], Awaitable[None]],
    *,
    cells: Sequence[Cell] = (),
    metric: Any = one,
    limits: Limits = NO_LIMITS,
) -> Bench:
    async def main() -> Bench:
        bench = Bench(list(cells), metric, limits)
        try:
            await asyncio.wait_for(test(bench), 200)
            await bench.pool.drain()
        finally:
            bench.pool.close()
        return bench

    return asyncio.run(main())


def rate_limited(message: str) -> Exception:
    return dspy_errors.LMRateLimitError(message)


def test_a_cell_in_the_table_or_under_way_is_never_asked_for_twice() -> None:
    async def test(bench: Bench) -> None:
        module = bench.acting(lambda message, before: "answer")
        both = await asyncio.gather(
            bench.cells("a", module, VAL, NOBODY), bench.cells("a", module, VAL[::-1], NOBODY)
        )
        assert [cell.key.example for cell in both[0]] == [row.id for row in VAL]
        assert both[0] == both[1][::-1]
        await bench.cells("a", module, VAL[:3], NOBODY)
        assert bench.evaluator.program_runs == len(VAL)
        assert bench.evaluator.missing([cell.key for cell in both[0]]) == []
        await bench.cells("b", module, VAL[:3], NOBODY)

    bench = on_bench(test)
    assert Counter(bench.runs.values()) == {2: 3, 1: 7}
    assert len(list(bench.journal.cells())) == 13


def test_a_cell_that_could_not_be_written_down_is_not_acted_upon() -> None:
    async def test(bench: Bench) -> None:
        def refuse(records: Any) -> None:
            raise LeaseLost("another worker")

        module = bench.acting(lambda message, before: "x")
        found = await bench.cells("a", module, VAL, NOBODY)
        assert [cell.key for cell in bench.journal.cells()] == [cell.key for cell in found]
        bench.journal.commit = refuse  # type: ignore[method-assign]
        with pytest.raises(LeaseLost):
            await bench.cells("b", module, VAL, NOBODY)
        assert bench.table.row("b", Split.VAL) == {}

    on_bench(test)


def test_a_failure_that_passes_gets_one_second_chance() -> None:
    async def test(bench: Bench) -> None:
        def act(message: str, before: int) -> str:
            if message == VAL[0].inputs["message"] and before == 0:
                raise rate_limited("first time")
            if message == VAL[1].inputs["message"]:
                raise rate_limited("always")
            return "answer"

        cells = await bench.cells("a", bench.acting(act), VAL, NOBODY)
        assert cells[0].score == 1.0
        assert (cells[1].score, cells[1].error) == (None, ErrorClass.RATE_LIMIT)
        again = await bench.cells("a", bench.acting(act), VAL[:2], NOBODY)
        assert again == cells[:2]

    bench = on_bench(test)
    assert [bench.runs[row.inputs["message"]] for row in VAL[:3]] == [2, 2, 1]


def test_a_failure_that_does_not_pass_has_no_second_chance_even_in_another_life() -> None:
    keys = [CellKey("a", Split.VAL, row.id) for row in VAL[:3]]
    earlier = [
        failed("a", keys[0].example, ErrorClass.PARSE),
        failed("a", keys[1].example, ErrorClass.TIMEOUT),
        Cell(keys[2], 0.5),
    ]

    async def test(bench: Bench) -> None:
        def act(message: str, before: int) -> str:
            if message == VAL[3].inputs["message"]:
                raise ValueError("the program's own")
            return "answer"

        cells = await bench.cells("a", bench.acting(act), VAL[:4], NOBODY)
        assert [cell.error for cell in cells] == [ErrorClass.PARSE, None, None, ErrorClass.PROGRAM]
        assert cells[2].score == 0.5

    bench = on_bench(test, cells=earlier)
    assert [bench.runs[row.inputs["message"]] for row in VAL[:4]] == [0, 1, 0, 1]


def failing_metric(example: Any, prediction: Any, trace: Any = None) -> Any:
    return {"raise": lambda: 1 / 0, "text": lambda: "high", "none": lambda: None}[prediction.answer]()


@pytest.mark.parametrize("kind", ["raise", "text", "none"])
def test_a_metric_that_fails_is_an_error_of_the_metric(kind: str) -> None:
    async def test(bench: Bench) -> None:
        cell = (await bench.cells("a", bench.acting(lambda message, before: kind), VAL[:1], NOBODY))[0]
        assert (cell.score, cell.error) == (None, ErrorClass.METRIC)
        assert cell.prediction == {"answer": kind}

    on_bench(test, metric=failing_metric)


def test_a_metric_whose_model_call_failed_fails_as_the_model_did() -> None:
    calls: list[int] = []

    def judged(example: Any, prediction: Any, trace: Any = None) -> float:
        calls.append(1)
        if len(calls) == 1:
            raise rate_limited("the judge is busy")
        return 0.5

    async def test(bench: Bench) -> None:
        cell = (await bench.cells("a", bench.acting(lambda message, before: "x"), VAL[:1], NOBODY))[0]
        assert cell.score == 0.5

    on_bench(test, metric=judged)


def exits(message: str, before: int) -> None:
    sys.exit(3)


def test_a_program_that_exits_is_an_error_of_the_program() -> None:
    async def test(bench: Bench) -> None:
        cell = (await bench.cells("a", bench.acting(exits), VAL[:1], NOBODY))[0]
        assert cell.error is ErrorClass.PROGRAM
        assert "SystemExit: 3" in cell.error_message

    on_bench(test)


def test_a_prediction_that_json_has_no_words_for_is_kept_as_json_or_text() -> None:
    loop: list[Any] = []
    loop.append(loop)

    async def test(bench: Bench) -> None:
        for number, strange in enumerate([{(1, 2): 3}, loop, {1, 2}, object(), b"bytes"]):
            module = bench.acting(lambda message, before, value=strange: value)
            cell = (await bench.cells(f"c{number}", module, VAL[:1], NOBODY))[0]
            assert cell.score == 1.0
            assert json.dumps(cell.prediction["answer"]), strange

    on_bench(test)
    assert as_prompted({"a": {1: (2, 3)}}) == {"a": {"1": [2, 3]}}


class Raising:
    """Whoever looks at it, or asks it for its fields, gets an exception."""

    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")

    __str__ = __repr__

    def items(self) -> Any:
        raise RuntimeError("not to be looked into")


class Wordless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a_value_that_cannot_be_written_down_costs_no_score_and_an_answer_that_cannot_is_the_rows_error() -> None:
    class Whole(Acting):
        def forward(self, message: str) -> Any:
            return self.act(message)

    async def test(bench: Bench) -> None:
        for number, strange in enumerate([Raising(), [Raising()], 10**5000]):
            module = bench.acting(lambda message, before, value=strange: value)
            cell = (await bench.cells(f"c{number}", module, VAL[:1], NOBODY))[0]
            assert (cell.score, type(cell.prediction["answer"])) == (1.0, str)
        cell = (await bench.cells("whole", Whole(lambda message: Raising()), VAL[:1], NOBODY))[0]
        assert (cell.score, cell.error) == (None, ErrorClass.PROGRAM)
        assert cell.error_message.startswith("What the program gave back cannot be written down: RuntimeError")

    on_bench(test)


def test_an_error_without_words_is_its_rows_error() -> None:
    def act(message: str, before: int) -> str:
        raise Wordless

    async def test(bench: Bench) -> None:
        cell = (await bench.cells("a", bench.acting(act), VAL[:1], NOBODY))[0]
        assert cell.error is ErrorClass.PROGRAM
        assert cell.error_message.startswith("Wordless: it cannot say what is wrong")

    on_bench(test)


def test_error_messages_are_one_line_and_not_endless() -> None:
    def act(message: str, before: int) -> str:
        raise ValueError("first\nsecond\t" + "x" * 5000)

    async def test(bench: Bench) -> None:
        cell = (await bench.cells("a", bench.acting(act), VAL[:1], NOBODY))[0]
        assert cell.error_message.startswith("ValueError: first second xxx")
        assert len(cell.error_message) == 500

    on_bench(test)


def test_the_cap_on_program_runs_refuses_before_anything_is_asked() -> None:
    async def test(bench: Bench) -> None:
        module = bench.acting(lambda message, before: "x")
        await bench.cells("a", module, VAL[:6], NOBODY)
        with pytest.raises(BudgetReached, match="The cap of 8 program runs is reached"):
            await bench.cells("b", module, VAL[:3], NOBODY)
        await bench.cells("b", module, VAL[:2], NOBODY)
        await bench.cells("a", module, VAL[:6], NOBODY)  # known cells cost nothing
        await bench.cells("a", module, TEST, NOBODY)  # nor does the sealed test count
        assert bench.evaluator.program_runs == 8
        assert not bench.evaluator.room_for(1)

    bench = on_bench(test, limits=Limits(8))
    assert sum(bench.runs.values()) == 8 + len(TEST)


def test_a_hopeless_program_stops_the_run_with_a_sentence() -> None:
    many = make_examples(0, 60)

    def act(message: str, before: int) -> str:
        time.sleep(0.01)
        raise KeyError("colour")

    async def test(bench: Bench) -> None:
        with pytest.raises(TooManyErrors, match=r"8 of the last 8 .* \(program\). .*KeyError: 'colour'"):
            await bench.cells("a", bench.acting(act), many, NOBODY)

    bench = on_bench(test)
    assert sum(bench.runs.values()) < len(many)  # what had not begun is not begun


def test_one_success_ends_the_row_of_failures() -> None:
    good = {row.inputs["message"] for row in VAL[5:6]}

    async def test(bench: Bench) -> None:
        def act(message: str, before: int) -> str:
            if message not in good:
                raise KeyError("colour")
            return "x"

        module = bench.acting(act)
        for row in VAL:
            await bench.cells("a", module, [row], NOBODY)

    on_bench(test)


def test_a_refused_key_ends_the_run_at_once(endpoint: LoopbackEndpoint) -> None:
    endpoint.control(require_key="another")

    async def test(bench: Bench) -> None:
        with pytest.raises(RunFailed, match=r"The model refused: .* Mend the key or model, then resume"):
            await bench.cells("a", desk.Desk(), VAL[:1], build_role_model(endpoint, bench.meter))

    bench = on_bench(test, metric=desk.metric)
    assert endpoint.stats()["total"] == 1
    assert [cell.error for cell in bench.journal.cells()] == [ErrorClass.AUTH]


def test_a_program_that_swallows_a_refused_call_gets_no_score(endpoint: LoopbackEndpoint) -> None:
    async def test(bench: Bench) -> None:
        bench.meter = Meter(Budget(max_lm_calls=1))
        with pytest.raises(BudgetReached):
            await bench.cells("a", more.Careless(), VAL[:1], build_role_model(endpoint, bench.meter))

    bench = on_bench(test, metric=desk.metric)
    assert list(bench.journal.cells()) == []
    assert endpoint.stats()["total"] == 1


def test_a_trace_has_a_step_for_every_call_with_its_inputs_and_outputs(endpoint: LoopbackEndpoint) -> None:
    async def test(bench: Bench) -> None:
        cell = (await bench.cells("a", desk.Desk(), VAL[:1], build_role_model(endpoint, bench.meter)))[0]
        assert [step.predictor for step in cell.trace] == ["queue", "tone"]
        assert cell.trace[0].inputs == VAL[0].inputs
        assert cell.trace[0].outputs == {"queue": cell.prediction["queue"]}
        assert (cell.usage.calls, cell.usage.retries) == (2, 0)
        assert cell.usage.input_tokens > 0
        assert cell.seconds_s > 0

    on_bench(test, metric=desk.metric)


def test_only_bootstrapping_tells_the_metric_the_trace(endpoint: LoopbackEndpoint) -> None:
    seen: list[Any] = []

    def metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> float:
        seen.append(trace)
        return 1.0

    async def test(bench: Bench) -> None:
        one_model = build_role_model(endpoint, bench.meter)
        await bench.cells("a", desk.Desk(), VAL[:1], one_model)
        await bench.cells("teacher", desk.Desk(), VAL[:1], one_model, purpose=Purpose.BOOTSTRAP)

    on_bench(test, metric=metric)
    assert seen[0] is None
    assert len(seen[1]) == 2


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> HandWatch:
    """The pool's watch, which the test turns."""
    watch = HandWatch()
    monkeypatch.setattr(pool, "time", watch)
    monkeypatch.setattr(pool, "LOOK_S", 0.005)
    return watch


class Hanging:
    """Comes back when it is let go, for what it hangs on; all else is through when it has `begun`."""

    def __init__(self, messages: Sequence[str], watch: HandWatch) -> None:
        self.begun: list[str] = []
        self._messages, self._watch = messages, watch
        self._free = threading.Event()

    def on(self, message: str) -> None:
        if message in self._messages:
            self.begun.append(message)
            self._free.wait(150)

    async def later(self, asked: Awaitable[list[Cell]], bench: Bench) -> list[Cell]:
        """The cells, once the others are there and the watch says that it is late."""
        asking = asyncio.ensure_future(asked)
        others = len(VAL) - len(self._messages)
        try:
            await asyncio.to_thread(
                until,
                lambda: len(self.begun) == len(self._messages) and len(list(bench.journal.cells())) == others,
            )
            self._watch.turn(60.0)
            return await asyncio.wait_for(asking, 150)
        finally:
            self._free.set()


def test_a_row_that_hangs_is_an_error_of_its_own_and_the_others_are_scored(watch: HandWatch) -> None:
    hanging = Hanging([VAL[place].inputs["message"] for place in (2, 3)], watch)

    def act(message: str, before: int) -> str:
        hanging.on(message)
        return "answer"

    async def test(bench: Bench) -> None:
        cells = await hanging.later(bench.cells("a", bench.acting(act), VAL, NOBODY), bench)
        assert [cell.error for cell in cells] == [ErrorClass.TIMEOUT if n in (2, 3) else None for n in range(10)]
        assert cells[2].error_message == (
            "The program or the metric hangs on this row. It took longer than 0.2 s and was given up."
        )
        assert list(bench.journal.cells()) and bench.table.mean("a", Split.VAL).n == 8
        again = await bench.cells("a", bench.acting(act), VAL, NOBODY)
        assert again == cells, "a row that hangs is not tried twice in a life"

    on_bench(test, limits=Limits(row_s=0.2))


def test_a_metric_that_hangs_is_given_up_like_a_program(watch: HandWatch) -> None:
    hanging = Hanging([VAL[0].inputs["message"]], watch)

    def metric(example: Any, prediction: Any, trace: Any = None) -> float:
        hanging.on(example.message)
        return 1.0

    async def test(bench: Bench) -> None:
        asked = bench.cells("a", bench.acting(lambda message, before: "x"), VAL, NOBODY)
        cells = await hanging.later(asked, bench)
        assert [cell.error for cell in cells] == [ErrorClass.TIMEOUT, *[None] * 9]

    on_bench(test, metric=metric, limits=Limits(row_s=0.2))


ENDS = [KeyboardInterrupt, SystemExit, GeneratorExit, StopIteration, asyncio.CancelledError]


@pytest.mark.parametrize("error", ENDS)
def test_whatever_a_row_raises_is_that_rows_error(error: type[BaseException]) -> None:
    def act(message: str, before: int) -> str:
        if message == VAL[1].inputs["message"]:
            raise error("mine")
        return "answer"

    async def test(bench: Bench) -> None:
        cells = await bench.cells("a", bench.acting(act), VAL, NOBODY)
        assert [cell.error for cell in cells] == [ErrorClass.PROGRAM if n == 1 else None for n in range(10)]
        assert error.__name__ in cells[1].error_message

    on_bench(test)
