"""What becomes of rows whose process ends, by processes that do only what the test says."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest

from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.executor import OF_EXECUTOR, ThreadExecutor
from mipro_studio.optimizer_core.evaluation.frames import cell_as_json, packed
from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.evaluation.process_executor import ProcessExecutor
from mipro_studio.optimizer_core.evaluation.worker_process import Place, WorkerProcess
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.runs import assembly
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, Split, Status
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import ROOT, fresh_journal, live, make_config
from tests.programs import desk


class Scripted(WorkerProcess):
    """A process on paper."""

    def _begin(self) -> None:
        self.machine_lost = None

    async def connect(self) -> None:
        pass

    def _reap(self) -> None:
        pass

    def how_it_ended(self) -> str:
        return "ended"

    def says_ready(self) -> None:
        self.data_received(packed(["ready"]))

    def fills(self) -> str:
        """Fill the row that it has had longest; returns which."""
        number, row = next(iter(self.rows.items()))
        self.data_received(packed(["done", number, [], {"cell": cell_as_json(Cell(row.request.key, 1.0))}]))
        return row.request.key.example

    def ends(self, *, machine_lost: bool | None) -> None:
        self.machine_lost = machine_lost
        self.connection_lost(None)

    @property
    def has(self) -> list[str]:
        return [row.request.key.example for row in self.rows.values()]


@dataclass
class Floor:
    """An executor over two such processes with two threads each."""

    made: list[Scripted] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pool = WorkPool(4)
        place = Place(make_config(threads=4), ROOT, Meter(Budget()))
        self.executor = ProcessExecutor(place, 2, self.pool, self._worker)

    def _worker(self, *arguments: Any) -> Scripted:
        self.made.append(Scripted(*arguments))
        return self.made[-1]

    async def rows(self, count: int) -> list[asyncio.Task[Cell]]:
        asked = [asyncio.create_task(self.executor.run(row(str(number)))) for number in range(count)]
        await asyncio.sleep(0)
        return asked


def row(name: str) -> CellRequest:
    return CellRequest(CellKey("c", Split.VAL, name), ArmContents(), Example(name, Split.VAL, 0, {}, {}))


def on_the_floor(work: Any) -> None:
    async def main() -> None:
        floor = Floor()
        try:
            await work(floor)
        finally:
            floor.executor.close()

    made: Coroutine[Any, Any, None] = main()
    asyncio.run(made)


def test_rows_of_a_lost_machine_are_run_elsewhere_where_no_other_comes_in_its_place() -> None:
    async def work(floor: Floor) -> None:
        lost, left = floor.made
        lost.says_ready()
        left.says_ready()
        asked = await floor.rows(9)
        assert (lost.has, left.has) == (["0", "2"], ["1", "3"])
        lost.ends(machine_lost=True)
        assert len(floor.made) == 3  # one stands in the cluster's queue from now on
        assert [left.fills(), left.fills()] == ["1", "3"]
        assert left.has == ["0"]  # though others wait in front of no one: it is run by itself
        assert left.fills() == "0"
        assert left.has == ["2"]
        assert left.fills() == "2"
        assert left.has == ["4", "5"]
        while left.has:
            left.fills()
        assert [cell.score for cell in await asyncio.gather(*asked)] == [1.0] * 9

    on_the_floor(work)


@pytest.mark.parametrize("machine_lost", [True, False, None])
def test_a_row_that_goes_down_twice_is_to_blame_unless_the_machine_was_lost_again(machine_lost: bool | None) -> None:
    async def work(floor: Floor) -> None:
        lost, left = floor.made
        lost.says_ready()
        (asked,) = await floor.rows(1)
        lost.ends(machine_lost=None)
        left.says_ready()
        assert left.has == ["0"]
        left.ends(machine_lost=machine_lost)
        if machine_lost:
            floor.made[2].says_ready()
            assert floor.made[2].fills() == "0"
        cell = await asked
        assert (cell.score, cell.error) == ((1.0, None) if machine_lost else (None, ErrorClass.CRASH))

    on_the_floor(work)


def test_a_row_alone_in_a_process_that_ends_on_a_machine_that_goes_on_is_to_blame_at_once() -> None:
    async def work(floor: Floor) -> None:
        floor.made[0].says_ready()
        (asked,) = await floor.rows(1)
        floor.made[0].ends(machine_lost=False)
        assert (await asked).error is ErrorClass.CRASH

    on_the_floor(work)


class Waiting(ThreadExecutor):
    """Threads, and beside them a process that never comes, as an actor in a cluster that has no room for it."""

    async def run(self, request: CellRequest) -> Cell:
        asyncio.get_running_loop().create_task(asyncio.Event().wait(), name=OF_EXECUTOR)
        return await super().run(request)


def test_a_run_ends_though_a_process_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assembly, "ThreadExecutor", Waiting)
    with LoopbackEndpoint(in_thread=True, responder="oracle", gold=desk.gold(desk.rows(60))) as endpoint:
        config = make_config(endpoint, threads=4, search={"trials": 2})
        assert live(config, fresh_journal()).ending.status is Status.COMPLETED

    async def work(floor: Floor) -> None:
        assert {task.get_name() for task in floor.executor._starting} == {OF_EXECUTOR}

    on_the_floor(work)


def test_machines_that_are_lost_before_they_are_ready_end_no_run() -> None:
    async def work(floor: Floor) -> None:
        (asked,) = await floor.rows(1)
        for _ in range(5):
            floor.made[-1].ends(machine_lost=True)
        floor.made[-1].says_ready()
        floor.made[-1].fills()
        assert (await asked).score == 1.0

    on_the_floor(work)
