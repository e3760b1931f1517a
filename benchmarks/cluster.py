"""Rows with 50 ms of their own work on two Ray nodes of this machine, beside threads and processes:
`python -m benchmarks.cluster` (with the extra `ray`).

Threads of one process share Python's lock, processes and actors do not; none has more than the machine's processors.
Starting processes and actors is left out and printed apart. At last a node is killed, once a third of
the rows are in.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from mipro_studio.benchmarks.executors import ROOT, ROWS, numbered_request
from mipro_studio.optimizer_core.cluster.ray_executor import ray_executor
from mipro_studio.optimizer_core.config import Budget, RunConfig, parse_config
from mipro_studio.optimizer_core.evaluation.executor import Executor, ThreadExecutor
from mipro_studio.optimizer_core.evaluation.placement import usable_processors
from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.evaluation.process_executor import ProcessExecutor
from mipro_studio.optimizer_core.evaluation.runner_assembly import build_runner
from mipro_studio.optimizer_core.evaluation.worker_process import Place
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.parameters.seed_program import seed_program
from tests.loopback.endpoint import LoopbackEndpoint
from tests.programs import desk
from tests.ray_nodes import two_nodes

__all__ = ["main"]

CALLS_A_ROW = 2


def _made(kind: str, config: RunConfig, meter: Meter) -> Executor:
    pool = WorkPool(config.threads)
    if kind == "threads":
        return ThreadExecutor(pool, build_runner(config, seed_program(config, ROOT), ROOT, meter))
    place = Place(config, ROOT, meter)
    return ray_executor(place, pool) if kind == "ray" else ProcessExecutor(place, config.processes or 1, pool)


async def _rows(executor: Executor, count: int, first: int = 0) -> list[Any]:
    asked = [executor.run(numbered_request(number)) for number in range(first, first + count)]
    return await asyncio.gather(*asked, return_exceptions=True)


async def _all_ready(executor: Executor, config: RunConfig) -> None:
    """Fill rows until every process is there."""
    await _rows(executor, 2 * config.threads)
    while not all(one.is_ready for one in getattr(executor, "_workers", ())):
        await _rows(executor, config.threads)


async def _throughput(kind: str, config: RunConfig, rows: int) -> tuple[float, float]:
    """(rows a second, seconds until every process had filled a row)."""
    begun = time.monotonic()
    executor = _made(kind, config, Meter(Budget()))
    await _all_ready(executor, config)
    ready_s = time.monotonic() - begun
    begun = time.monotonic()
    cells = await _rows(executor, rows)
    took_s = time.monotonic() - begun
    executor.close()
    assert all(cell.error is None for cell in cells)
    return rows / took_s, ready_s


async def _with_a_death(
    config: RunConfig, rows: int, calls: Callable[[], int], kill: Callable[[], None]
) -> tuple[int, int, list[Any]]:
    """(calls made, rows under way on the node, cells) of `rows` rows; a third are in when `kill` ends a node."""
    executor = _made("ray", config, Meter(Budget()))
    await _all_ready(executor, config)
    actors = list(getattr(executor, "_workers", ()))
    before = calls()
    working: Awaitable[list[Any]] = asyncio.ensure_future(_rows(executor, rows))
    while calls() - before < CALLS_A_ROW * rows // 3:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(kill)
    cells = await working
    lost = [actor for actor in actors if actor not in getattr(executor, "_workers", ())]
    executor.close()
    return calls() - before, sum(len(actor.rows) for actor in lost), cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--threads", type=int, default=4, help="rows at once, wherever they run")
    options = parser.parse_args()
    gold = desk.gold(ROWS)
    with LoopbackEndpoint(responder="oracle", gold=gold) as endpoint, two_nodes(shared=True) as cluster:
        model = {"model": "openai/loop", "api_base": endpoint.base_url}
        settings = {"program": "tests/programs/busy.py:program", "metric": "tests/programs/busy.py:metric"}
        config = parse_config({**settings, "threads": options.threads, "processes": 4, "task_model": model})
        print(f"{usable_processors()} processors, {options.rows} rows, {options.threads} at once\n")
        print("| where | rows a s | ready after (s) |\n|---|---:|---:|", flush=True)
        for kind, where in (("threads", "threads"), ("processes", "4 processes"), ("ray", "Ray, 2 nodes x 2 actors")):
            rate, ready_s = asyncio.run(_throughput(kind, config, options.rows))
            print(f"| {where} | {rate:.1f} | {ready_s:.1f} |", flush=True)
        node = cluster.worker_nodes.copy().pop()
        kill = lambda: cluster.remove_node(node, allow_graceful=False)  # noqa: E731 - it says what it does
        calls = lambda: endpoint.stats()["total"]  # noqa: E731
        made, under_way, cells = asyncio.run(_with_a_death(config, options.rows, calls, kill))
        whole = sum(getattr(cell, "score", None) is not None for cell in cells)
        again = made - CALLS_A_ROW * options.rows
        told = f"{under_way} rows were under way on it, {again} calls were made again"
        print(f"\nA node killed in mid-run: {whole} of {options.rows} rows have their cells; {told}.")


if __name__ == "__main__":
    main()
