"""Rows on a Ray cluster: what the run's side does, by a stand-in for Ray, and a real cluster where Ray is installed.

What every executor has to do is in `tests/optimizer_core/evaluation/test_executors.py`, on Ray too.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mipro_studio.optimizer_core.cluster import ray_executor as module
from mipro_studio.optimizer_core.cluster.ray_executor import RayWorker, ray_executor
from mipro_studio.optimizer_core.config import Budget
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.frames import packed
from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.evaluation.worker_process import Place, Row, WorkerProcess
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.runs.assembly import Assembled
from mipro_studio.optimizer_core.types import Cell, CellKey, Example, Role, Split
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import ROOT, fresh_journal, live, make_config
from tests.programs import desk
from tests.ray_nodes import needs_ray, stopped, two_nodes

NODE_DIED = "The actor died unexpectedly.\nThe actor died because its node has died. Node Id: 1"
PROCESS_DIED = "The actor died unexpectedly.\nThe actor is dead because its worker process has died."


class StandIn:
    """As much of the module `ray` as an actor takes; the test says what becomes of it."""

    def __init__(self) -> None:
        self.util = SimpleNamespace(get_node_ip_address=lambda: "127.0.0.1")
        self.exceptions = SimpleNamespace(RayError=RuntimeError)
        self.served: Future[None] = Future()
        self.kill = lambda actor: None

    def remote(self, _: type) -> Any:
        return self

    def options(self, **_: Any) -> Any:
        seat = SimpleNamespace(serve=SimpleNamespace(remote=self.serve))
        return SimpleNamespace(remote=lambda: seat)

    def serve(self, host: str, port: int, token: bytes) -> Any:
        self.host, self.port, self.token = host, port, token
        return SimpleNamespace(future=lambda: self.served)


class Told:
    """Who is told what becomes of the actor."""

    def __init__(self) -> None:
        self.is_ready, self.has_ended = asyncio.Event(), asyncio.Event()

    def ready(self, worker: WorkerProcess) -> None:
        self.is_ready.set()

    def ended(self, worker: WorkerProcess) -> None:
        self.has_ended.set()

    def heard(self) -> None:
        pass


def with_an_actor(
    monkeypatch: pytest.MonkeyPatch, work: Callable[[StandIn, RayWorker, Told, Any], Awaitable[None]]
) -> None:
    """`work` with an actor that has called and is ready."""
    ray = StandIn()
    monkeypatch.setitem(sys.modules, "ray", ray)

    async def main() -> None:
        told = Told()
        worker = RayWorker(Place(make_config(), ROOT, Meter(Budget())), 2, told)  # type: ignore[arg-type]
        connecting = asyncio.create_task(worker.connect())
        _, actor = await asyncio.open_connection(ray.host, ray.port)
        actor.write(ray.token)
        await connecting
        actor.write(packed(["ready"]))
        await told.is_ready.wait()
        await work(ray, worker, told, actor)
        worker.close()
        actor.close()

    asyncio.run(asyncio.wait_for(main(), 120))


def a_row(*, suspect: bool) -> Row:
    request = CellRequest(CellKey("c", Split.VAL, "e"), ArmContents(), Example("e", Split.VAL, 0, {}, {}))
    return Row((0, 0), request, asyncio.get_running_loop().create_future(), suspect=suspect)


def test_an_actor_whose_machine_closes_nothing_has_ended_when_ray_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(ray: StandIn, worker: RayWorker, told: Told, actor: Any) -> None:
        worker.give(a_row(suspect=False), 0)
        ray.served.set_exception(RuntimeError(NODE_DIED))
        await told.has_ended.wait()
        assert worker.machine_lost is True
        assert not actor.is_closing()

    with_an_actor(monkeypatch, work)


@pytest.mark.parametrize(("words", "machine_lost"), [(NODE_DIED, True), (PROCESS_DIED, False)])
def test_of_a_row_under_suspicion_nothing_is_said_before_ray_has(
    monkeypatch: pytest.MonkeyPatch, words: str, machine_lost: bool
) -> None:
    async def work(ray: StandIn, worker: RayWorker, told: Told, actor: Any) -> None:
        worker.give(a_row(suspect=True), 0)
        actor.close()
        while worker._asking is None:  # the connection is lost
            await asyncio.sleep(0)
        assert not told.has_ended.is_set()
        ray.served.set_exception(RuntimeError(words))
        await told.has_ended.wait()
        assert worker.machine_lost is machine_lost

    with_an_actor(monkeypatch, work)


def test_other_rows_are_free_for_others_as_soon_as_the_connection_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(ray: StandIn, worker: RayWorker, told: Told, actor: Any) -> None:
        worker.give(a_row(suspect=False), 0)
        actor.close()
        await told.has_ended.wait()
        assert worker.machine_lost is None

    with_an_actor(monkeypatch, work)


def test_an_actor_that_ends_in_the_queue_is_told_and_who_knows_no_token_is_not_let_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray = StandIn()
    monkeypatch.setitem(sys.modules, "ray", ray)

    async def main() -> None:
        told = Told()
        worker = RayWorker(Place(make_config(), ROOT, Meter(Budget())), 2, told)  # type: ignore[arg-type]
        connecting = asyncio.create_task(worker.connect())
        reads, writes = await asyncio.open_connection(ray.host, ray.port)
        writes.write(bytes(module.TOKEN_BYTES))
        assert await reads.read() == b""  # closed by the other end
        writes.close()
        ray.served.set_exception(RuntimeError(NODE_DIED))
        await told.has_ended.wait()
        await connecting
        assert not worker.is_ready

    asyncio.run(asyncio.wait_for(main(), 120))


def test_paths_of_the_settings_are_those_of_the_copy_on_a_node(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    data = {"data": str(tmp_path / "pictures" / "rows.jsonl"), "val": "more.jsonl"}
    program = f"{tmp_path}/mine.py:program"
    config = make_config(program=program, metric=f"{tmp_path}/mine.py:metric", base=str(tmp_path), data=data)
    there = module._in_the_copy(config, tmp_path)
    assert (there.program, there.metric, there.base) == ("mine.py:program", "mine.py:metric", ".")
    assert there.folders == (Path(), Path("pictures"))
    assert there.task_model == config.task_model


@pytest.mark.parametrize("where", ["program", "metric"])
def test_code_outside_of_the_folder_that_travels_is_refused(where: str, tmp_path: Path) -> None:
    config = make_config(**{where: "/elsewhere/mine.py:thing"})
    with pytest.raises(BadInput, match=r"lies outside of .* the folder that travels"):
        module._in_the_copy(config, tmp_path)


# On a real cluster.


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with two_nodes(shared=True) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def endpoint() -> Iterator[LoopbackEndpoint]:
    gold = desk.gold(desk.rows(60))
    with LoopbackEndpoint(in_thread=True, responder="oracle", gold=gold) as made:
        yield made


CALLS_A_ROW = 2


async def calls_reach(endpoint: LoopbackEndpoint, calls: int) -> None:
    while endpoint.stats()["total"] < calls:
        await asyncio.sleep(0.02)


@needs_ray
@pytest.mark.timeout(600)
def test_a_node_that_dies_costs_its_rows_in_flight_and_no_decision(cluster: Any, endpoint: LoopbackEndpoint) -> None:
    config = make_config(endpoint, threads=8, seed=3, search={"trials": 4})
    whole = live(config.model_copy(update={"executor": "threads"}), fresh_journal())
    needed = endpoint.stats()["total"]
    endpoint.reset()
    node = cluster.add_node(num_cpus=2)
    killed = asyncio.Event()

    async def kill(_: Assembled) -> None:
        await calls_reach(endpoint, needed // 3)
        await asyncio.to_thread(cluster.remove_node, node, False)
        killed.set()

    lamed = live(config.model_copy(update={"executor": "ray", "processes": 6}), fresh_journal(), meanwhile=kill)
    assert killed.is_set()
    assert lamed.winner is not None
    assert lamed.decisions == whole.decisions
    assert needed <= endpoint.stats()["total"] <= needed + CALLS_A_ROW * config.threads
    assert endpoint.stats()["total"] <= sum(lamed.context.meter.total(role).calls for role in Role)


@needs_ray
@pytest.mark.timeout(600)
def test_a_node_without_power_costs_its_rows_in_flight(cluster: Any, endpoint: LoopbackEndpoint) -> None:
    """Its connections stay open for ever; Ray notices when it hears no more of it."""
    config = make_config(endpoint, threads=6, processes=6, executor="ray")
    rows = [make_row(number) for number in range(60)]
    node = cluster.add_node(num_cpus=2)

    async def asked() -> tuple[list[Cell], list[Cell], list[RayWorker]]:
        executor = ray_executor(Place(config, ROOT, Meter(Budget())), WorkPool(config.threads))
        try:
            while not all(worker.is_ready for worker in executor._workers):
                undisturbed = await asyncio.gather(*map(executor.run, rows))
            actors = list(executor._workers)
            endpoint.reset()
            working = asyncio.gather(*map(executor.run, rows))
            await calls_reach(endpoint, 20)
            with stopped(node):
                return undisturbed, await working, actors
        finally:
            executor.close()

    undisturbed, cells, actors = asyncio.run(asked())
    cluster.remove_node(node, allow_graceful=False)
    assert [actor.machine_lost for actor in actors].count(True) == 2
    assert [(cell.key, cell.score, cell.prediction) for cell in cells] == [
        (cell.key, cell.score, cell.prediction) for cell in undisturbed
    ]
    assert {cell.error for cell in cells} == {None}
    assert endpoint.stats()["total"] <= CALLS_A_ROW * (60 + config.threads)


def make_row(number: int) -> CellRequest:
    row = desk.rows(60)[number]
    labels = {name: row[name] for name in ("queue", "tone")}
    example = Example(str(number), Split.VAL, number, {"message": row["message"]}, labels)
    return CellRequest(CellKey("c", Split.VAL, example.id), ArmContents(), example)
