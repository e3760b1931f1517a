"""What an executor can do, once it is ready: `python -m benchmarks.executors`.

Rows of the two-predictor program against a loopback endpoint, in threads of one process and in processes, one after
the other in one command: program runs a second, the share of the calls at once that the endpoint was serving, and how
many milliseconds of a processor a call took: in the run's process, in its processes for rows, at the endpoint.
Starting the processes is left out and printed apart. `--own-ms` gives each row work of its own, in Python, before its
calls; `--plain` lets `dspy.Evaluate` with a `dspy.LM` do the same rows first.
"""

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
import time
from pathlib import Path

from mipro_studio.benchmarks.utilization.processors import Processors
from mipro_studio.optimizer_core.config import Budget, RunConfig, parse_config
from mipro_studio.optimizer_core.evaluation.cell_request import CellRequest
from mipro_studio.optimizer_core.evaluation.executor import Executor, ThreadExecutor
from mipro_studio.optimizer_core.evaluation.pool import WorkPool, switch_often
from mipro_studio.optimizer_core.evaluation.process_executor import ProcessExecutor
from mipro_studio.optimizer_core.evaluation.runner_assembly import build_runner
from mipro_studio.optimizer_core.evaluation.worker_process import Place
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.sharing.call_limits import CallLimits
from mipro_studio.optimizer_core.parameters.arm_contents import ArmContents
from mipro_studio.optimizer_core.parameters.seed_program import seed_program
from mipro_studio.optimizer_core.types import CellKey, Example, Split
from tests.loopback.config import SPREADS
from tests.loopback.endpoint import LoopbackEndpoint
from tests.programs import desk

__all__ = ["ROOT", "ROWS", "main", "numbered_request"]

ROOT = Path(__file__).resolve().parent.parent
ROWS = desk.rows(200)


def numbered_request(number: int) -> CellRequest:
    row = ROWS[number % len(ROWS)]
    labels = {"queue": row["queue"], "tone": row["tone"]}
    example = Example(str(number), Split.VAL, number, {"message": row["message"]}, labels)
    return CellRequest(CellKey("c", Split.VAL, example.id), ArmContents(), example)


def _made(config: RunConfig, meter: Meter, processes: int) -> Executor:
    pool = WorkPool(config.threads)
    if processes:
        return ProcessExecutor(Place(config, ROOT, meter), processes, pool)
    return ThreadExecutor(pool, build_runner(config, seed_program(config, ROOT), ROOT, meter))


async def _measured(config: RunConfig, endpoint: LoopbackEndpoint, processes: int, rows: int) -> str:
    meter = Meter(Budget())
    meter.limits = CallLimits(config.threads)
    begun = time.monotonic()
    executor = _made(config, meter, processes)
    # Everything is there, and the limit of the endpoint is found.
    await asyncio.gather(*(executor.run(numbered_request(number)) for number in range(4 * config.threads)))
    ready_s = time.monotonic() - begun
    endpoint.reset()
    processors = Processors("run")
    processors.start()
    begun = time.monotonic()
    cells = await asyncio.gather(*(executor.run(numbered_request(number)) for number in range(rows)))
    took_s = time.monotonic() - begun
    executor.close()
    assert all(cell.error is None for cell in cells)
    return _told(endpoint, processors, config.threads, rows, took_s, ready_s)


def _told(
    endpoint: LoopbackEndpoint, processors: Processors, threads: int, rows: int, took_s: float, ready_s: float
) -> str:
    stats = endpoint.stats()
    rates = f"{rows / took_s:.0f} | {stats['total'] / took_s:.0f} | {stats.utilization(threads):.2f}"
    return f"{rates} | {ready_s:.1f} | {processors.a_call_ms(stats)}"


def _plain(endpoint: LoopbackEndpoint, program: str, threads: int, rows: int) -> str:
    """`dspy.Evaluate` in a process of its own, which has nothing of ours."""
    code = f"""
import importlib, time, dspy
from tests.programs import desk
dspy.configure(lm=dspy.LM("openai/loop", api_base={endpoint.base_url!r}, api_key="none", cache=False))
data = [dspy.Example(**row).with_inputs("message") for row in desk.rows(200)]
data = [data[number % 200] for number in range({rows})]
module = importlib.import_module("tests.programs.{program}").program()
def evaluate(some):
    dspy.Evaluate(devset=some, metric=desk.metric, num_threads={threads}, display_progress=False)(module)
evaluate(data[:{4 * threads}])
print("ready", flush=True)
input()
begun = time.monotonic()
evaluate(data)
print(time.monotonic() - begun, flush=True)
input()
"""
    begun = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdout.readline()
        ready_s = time.monotonic() - begun
        endpoint.reset()
        processors = Processors()
        processors.start()
        print(file=process.stdin, flush=True)
        told = _told(endpoint, processors, threads, rows, float(process.stdout.readline()), ready_s)
        print(file=process.stdin, flush=True)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[16, 64], help="calls at once")
    parser.add_argument("--latency-s", type=float, nargs="+", default=[0.1, 0.02])
    parser.add_argument("--spread", nargs="+", choices=SPREADS, default=["constant"])
    parser.add_argument("--processes", type=int, nargs="+", default=[0, 2], help="0 = threads of one process")
    parser.add_argument("--own-ms", type=float, default=0.0)
    parser.add_argument("--plain", action="store_true")
    parser.add_argument("--rows", type=int, default=600)
    options = parser.parse_args()
    switch_often()  # as a run's worker does
    os.environ["OWN_MS"] = str(options.own_ms)
    program = "busy" if options.own_ms else "desk"
    titles = (
        "latency (s) | at once | spread | where | rows a s | calls a s | utilization | ready after (s) | processor"
    )
    print(f"| {titles} |\n|---:|---:|---|---|---:|---:|---:|---:|---|", flush=True)
    for latency_s, threads, spread in itertools.product(options.latency_s, options.threads, options.spread):
        for processes in [*([-1] if options.plain else []), *options.processes]:
            gold = desk.gold(ROWS)
            with LoopbackEndpoint(latency_s=latency_s, spread=spread, responder="oracle", gold=gold) as endpoint:
                model = {"model": "openai/loop", "api_base": endpoint.base_url}
                settings = {
                    "program": f"tests/programs/{program}.py:program",
                    "threads": threads,
                    "task_model": model,
                }
                if processes < 0:
                    told = _plain(endpoint, program, threads, options.rows)
                else:
                    told = asyncio.run(_measured(parse_config(settings), endpoint, processes, options.rows))
            where = {-1: "dspy.Evaluate", 0: "threads"}.get(processes, f"{processes} processes")
            print(f"| {latency_s:g} | {threads} | {spread} | {where} | {told} |", flush=True)


if __name__ == "__main__":
    main()
