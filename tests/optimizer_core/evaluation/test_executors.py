"""What every executor of `runs.assembly` has to do; only processes outlive a row that ends its process."""

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mipro_studio.optimizer_core.config import Budget, RunConfig
from mipro_studio.optimizer_core.errors import BadInput, BudgetReached, RunPaused, StopRequested
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.executor import Executor
from mipro_studio.optimizer_core.evaluation.frames import Unpacker, cell_as_json, cell_of, packed
from mipro_studio.optimizer_core.evaluation.pool import TookTooLong, WorkPool
from mipro_studio.optimizer_core.evaluation.program_run import Purpose
from mipro_studio.optimizer_core.evaluation.runner_assembly import build_runner
from mipro_studio.optimizer_core.evaluation.worker_process import Place
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.sharing.call_limits import CallLimits
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.programs.program import load_program
from mipro_studio.optimizer_core.runs.assembly import EXECUTORS
from mipro_studio.optimizer_core.types import Author, Cell, CellKey, Demo, ErrorClass, Example, Role, Split, Usage
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import ROOT, dspy_as_new, fresh_journal, live, make_config
from tests.ray_nodes import HAS_RAY, two_nodes
from tests.waits import until

pytestmark = pytest.mark.timeout(310)
PROCESSES = ("processes", "ray") if HAS_RAY else ("processes",)
KINDS = [name for name in EXECUTORS if name != "ray" or HAS_RAY]
PROGRAM = "tests/programs/misbehaving.py"
ARMS = ArmContents.of(
    [
        instruction_arm("answer", 1, "Say which.", Author.MODEL),
        demos_arm("answer", 1, "shuffled", [Demo({"message": "m", "queue": "q", "tone": "t"}, True, "")]),
    ]
)


class Bench:
    """An executor of each kind on one loop, over the same program and endpoint; a meter for each."""

    def __init__(self, endpoint: LoopbackEndpoint) -> None:
        self.loop = asyncio.new_event_loop()
        self.meters = {kind: Meter(Budget()) for kind in KINDS}
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.config = make_config(endpoint, program=PROGRAM, threads=4, processes=2, retries=6, row_memory_mb=400)
        self.beside = ExitStack()
        if HAS_RAY:
            self.beside.enter_context(two_nodes())
        self.executors: dict[str, Executor] = {kind: self.wait(self._made(kind)) for kind in KINDS}

    async def _made(self, kind: str) -> Executor:
        return made(kind, self.config, self.meters[kind])

    def wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(240)

    def cells(self, kind: str, *requests: CellRequest) -> list[Any]:
        async def asked() -> list[Any]:
            return await asyncio.gather(*map(self.executors[kind].run, requests), return_exceptions=True)

        return list(self.wait(asked()))

    def close(self) -> None:
        for executor in self.executors.values():
            self.loop.call_soon_threadsafe(executor.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.beside.close()


def made(kind: str, config: RunConfig, meter: Meter) -> Executor:
    """An executor; its loop must be running."""
    with dspy_as_new():
        runner = build_runner(config, load_program(config.program, ROOT), ROOT, meter)
    return EXECUTORS[kind](Place(config, ROOT, meter), WorkPool(config.threads), runner)


def row(message: str, **changes: Any) -> CellRequest:
    key = CellKey("c", Split.VAL, message)
    example = Example(message, Split.VAL, 0, {"message": message}, {"queue": "q", "tone": "t"})
    return replace(CellRequest(key, ARMS, example), **changes)


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    gold = {"ask": {"queue": "ask", "tone": "calm"}}
    with LoopbackEndpoint(in_thread=True, responder="oracle", gold=gold, keep_requests=True) as endpoint:
        made = Bench(endpoint)
        made.endpoint = endpoint  # type: ignore[attr-defined]
        yield made
        made.close()


def same(cell: Cell) -> dict[str, Any]:
    """All of a cell but what a clock says."""
    data: dict[str, Any] = cell_as_json(cell) | {"seconds_s": 0.0, "key": cell.key}
    data["usage"][list(Usage.__slots__).index("lm_s")] = 0.0
    for numbers in data["by_predictor"].values():
        numbers[list(Usage.__slots__).index("lm_s")] = 0.0
    return data


def test_every_executor_gives_the_same_cells(bench: Bench) -> None:
    requests = [
        row("ask one"),
        row("ask two", role=Role.TEACHER, purpose=Purpose.BOOTSTRAP),
        row("ask three", role=Role.TEST, purpose=Purpose.REFLECT, arms=ArmContents()),
        row("raise it is broken"),
        row("unscored"),
    ]
    by_kind = [[same(cell) for cell in bench.cells(kind, *requests)] for kind in KINDS]
    assert all(cells == by_kind[0] for cells in by_kind[1:])
    scores = [data["score"] for data in by_kind[0]]
    assert scores == [5.0, 7.0, 5.0, None, None]
    assert [data["error"] for data in by_kind[0][3:]] == [ErrorClass.PROGRAM, ErrorClass.METRIC]
    assert "misbehaving.py" in by_kind[0][3]["frames"][-1]
    assert by_kind[0][0]["trace"] and by_kind[0][0]["by_predictor"]["answer"][0] == 1


def test_every_executor_counts_calls_on_the_one_meter(bench: Bench) -> None:
    for kind in KINDS:
        before = bench.meters[kind].total(Role.TASK).calls
        bench.cells(kind, *(row(f"ask {number}") for number in range(8)))
        after = bench.meters[kind].total(Role.TASK)
        assert (after.calls - before, after.input_tokens > 0) == (8, True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_that_takes_too_long_is_given_up_and_the_others_are_not(bench: Bench, kind: str) -> None:
    late, good = bench.cells(kind, row("sleep 30", limit_s=0.6), row("fine"))
    assert isinstance(late, TookTooLong) and late.limit_s == 0.6
    assert good.score == 5.0


@pytest.mark.parametrize("kind", KINDS)
def test_what_has_not_begun_can_be_refused_and_what_has_given_up(bench: Bench, kind: str, tmp_path: Path) -> None:
    executor = bench.executors[kind]
    begun = [tmp_path / str(number) for number in range(6)]

    async def refused() -> tuple[list[Any], float]:
        asked = [asyncio.ensure_future(executor.run(row(f"begin {path}"))) for path in begun]
        await asyncio.to_thread(until, lambda: sum(path.exists() for path in begun) == bench.config.threads)
        executor.refuse(RunPaused("no more"))
        await asyncio.sleep(0.05)
        took_s = executor.give_up(StopRequested("at once"))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        executor.refuse(None)
        await asyncio.wait_for(executor.drain(), 150)
        return list(answers), took_s

    answers, took_s = bench.wait(refused())
    assert {type(answer) for answer in answers[:4]} == {StopRequested}
    assert {type(answer) for answer in answers[4:]} <= {StopRequested, RunPaused}
    assert took_s > 0
    assert [path.exists() for path in begun] == [True] * 4 + [False] * 2
    assert bench.cells(kind, row("fine"))[0].score == 5.0  # open again


@pytest.mark.parametrize("kind", PROCESSES)
@pytest.mark.parametrize("what", ["exit", "segfault"])
def test_a_row_that_ends_its_process_costs_that_row_only(bench: Bench, what: str, kind: str) -> None:
    beside = [row(f"sleep 0.{number}") for number in range(1, 8)]
    crashed, *others = bench.cells(kind, row(what), *beside)
    assert (crashed.score, crashed.error) == (None, ErrorClass.CRASH)
    if kind == "processes":
        assert ("code 7" if what == "exit" else "signal 11") in crashed.error_message
    assert [cell.score for cell in others] == [5.0] * 7


def test_a_row_that_takes_more_memory_than_it_may_costs_that_row_only(bench: Bench) -> None:
    beside = [row(f"sleep 0.{number}") for number in range(1, 8)]
    hoard, *others = bench.cells("processes", row("hoard 2000"), *beside, row("hoard 20"), row("hoarding 20"))
    assert (hoard.score, hoard.error) == (None, ErrorClass.CRASH)
    assert "took more than the 400 MB that it may" in hoard.error_message
    assert [cell.score for cell in others] == [5.0] * 9, [cell.error_message for cell in others]
    (of_a_child,) = bench.cells("processes", row("hoarding 2000"))
    assert of_a_child.error is ErrorClass.PROGRAM and "CalledProcessError" in of_a_child.error_message


def test_a_limit_of_memory_takes_processes() -> None:
    assert make_config(row_memory_mb=400).executor == "auto"
    with pytest.raises(BadInput, match="say processes"):
        make_config(row_memory_mb=400, executor="threads")


@pytest.mark.parametrize("kind", PROCESSES)
def test_a_row_that_holds_pythons_lock_is_ended_with_its_process(bench: Bench, kind: str) -> None:
    stuck, good = bench.cells(kind, row("stuck", limit_s=0.5), row("fine"))
    assert isinstance(stuck, TookTooLong)
    assert good.score == 5.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_cap_on_calls_is_exact(kind: str, bench: Bench) -> None:
    """One a row with more rows than calls, with calls lent to rows that do not need them beside."""
    meter = Meter(Budget(max_lm_calls=13))
    endpoint: LoopbackEndpoint = bench.endpoint  # type: ignore[attr-defined]

    async def asked() -> list[Any]:
        executor = made(kind, bench.config, meter)
        try:
            rows = [row(f"{'ask' if number % 2 else 'fine'} {number}") for number in range(40)]
            return await asyncio.gather(*map(executor.run, rows), return_exceptions=True)
        finally:
            executor.close()

    endpoint.reset()
    answers = bench.wait(asked())
    assert endpoint.stats()["total"] == meter.capped_total().calls == 13
    assert sum(isinstance(answer, BudgetReached) for answer in answers) == 7


def test_a_message_is_read_however_it_is_cut() -> None:
    messages = [["a", 1.5, {"b": None}], ["\udc80 é"], []]
    stream = b"".join(map(packed, messages))
    unpacker = Unpacker()
    assert [one for place in range(len(stream)) for one in unpacker.feed(stream[place : place + 1])] == messages


def test_a_cell_is_the_same_after_the_way_through_a_socket() -> None:
    usage = Usage(2, 1, 30, 4, None, 0.5, 7)
    key = CellKey("c", Split.TRAIN, "e", 3)
    cell = Cell(key, None, ErrorClass.PARSE, "words", usage, 1.5, {"a": [1, {"b": None}]}, frames=("f", "g"))
    for one in (cell, replace(cell, score=0.25, error=None, by_predictor={"p": usage}, feedback="good")):
        (read,) = Unpacker().feed(packed(cell_as_json(one)))
        assert cell_of(key, read) == one


@dataclass(frozen=True)
class Scenario:
    """A run, and the numbers of processes that are held against threads."""

    settings: dict[str, Any] = field(default_factory=dict)
    endpoint: dict[str, Any] = field(default_factory=dict)
    processes: tuple[int, ...] = (2,)
    fails_on_some_rows: bool = False


SCENARIOS = {
    "a plain run": Scenario(processes=(1, 2)),
    "work of the program's own, and rows that it cannot do": Scenario(
        {"program": "tests/programs/laborious_desk.py", "metric": "tests/programs/desk.py:metric"},
        fails_on_some_rows=True,
    ),
    "an endpoint that fails on some prompts": Scenario(
        {"retries": 0, "pause_after": 10_000},
        {"fail_rate": 0.1, "fail_kinds": {"500": 1.0}, "fail_by": "prompt"},
        fails_on_some_rows=True,
    ),
    "a cap on program runs": Scenario({"budget": {"max_program_runs": 90}}),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_decisions_do_not_depend_on_threads_and_processes(name: str, bench: Bench) -> None:
    from tests.programs import desk

    scenario = SCENARIOS[name]
    gold = desk.gold(desk.rows(60))
    with LoopbackEndpoint(in_thread=True, responder="oracle", gold=gold, **scenario.endpoint) as endpoint:
        config = make_config(endpoint, threads=6, seed=3, search={"trials": 4}, **scenario.settings)
        ways = [{"executor": "threads"}, *({"executor": "processes", "processes": n} for n in scenario.processes)]
        if name == "a plain run":
            ways += [{"executor": kind, "processes": 2} for kind in KINDS[2:]]
        first, *others = [live(config.model_copy(update=way), fresh_journal()) for way in ways]
    assert first.winner is not None
    assert any(cell.error for cell in first.journal.cells()) == scenario.fails_on_some_rows
    for one in others:
        assert one.decisions == first.decisions
        assert one.context.meter.capped_total().calls == first.context.meter.capped_total().calls


def test_a_refusal_in_one_process_holds_back_all_of_its_run_and_every_row_is_answered(bench: Bench) -> None:
    """How much of a limit is used is simulated (`models/test_endpoint_limit.py`)."""
    refusals, rows = 4, 24
    endpoint: LoopbackEndpoint = bench.endpoint  # type: ignore[attr-defined]
    meter = bench.meters["processes"]
    before = meter.total(Role.TASK).calls
    meter.limits = CallLimits(bench.config.threads)
    endpoint.reset()
    endpoint.control(fault_script=["ok"] * 10 + ["429"] * refusals, retry_after_s=0.2)
    try:
        cells = bench.cells("processes", *(row(f"ask {number}") for number in range(rows)))
        (limit,) = meter.limits._limits.values()
    finally:
        meter.limits = None
    assert [cell.error_message for cell in cells if cell.score is None] == []
    stats = endpoint.stats()
    assert (stats["ok"], stats["failed_by_kind"]["429"]) == (rows, refusals)
    assert meter.total(Role.TASK).calls - before == rows + refusals
    assert limit.rate(time.monotonic()) is not None
    assert limit.under_way == 0
