"""When a run's threads are idle, whatever the machine: `python -m benchmarks.utilization.idle_threads`.

The run of `benchmarks.utilization` in simulated time: program, prompts and decisions are the real ones, and each
model call takes as long as it is drawn to take; arithmetic and all else take no time. So what is idle here no
processor makes up for. `most`: what the same rows would come to if none had to wait for a decision or another row.
"""

import argparse
import asyncio
import heapq
import itertools
import os
import random
import selectors
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any
from unittest import mock

# One thread of linear algebra: the simulated runs compute one after the other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from mipro_studio.benchmarks.utilization.__main__ import N_TRAIN, N_VAL, ROOT
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.data import example_id
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.runs import assembly
from mipro_studio.optimizer_core.types import Example, Split
from tests.immediate import Immediate
from tests.loopback.config import SPREADS
from tests.loopback.inprocess import InProcessEndpoint
from tests.loopback.pace import spread_of
from tests.optimizer_core.builders import dspy_as_new
from tests.programs import desk

__all__ = ["Busy", "main", "simulated"]


@dataclass(frozen=True)
class Busy:
    """What a simulated run came to.

    Attributes:
        utilization, most: Thread-seconds in model calls by all thread-seconds from the first call to the last.
        winner: The candidate that the run returned.
    """

    utilization: float
    most: float
    calls: int
    seconds: float
    winner: str | None


class _SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer when there is nothing else to do."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__(_Jumping(self._jump))

    def _jump(self, seconds: float) -> None:
        self._now += seconds

    def time(self) -> float:
        return self._now


class _Jumping(selectors.DefaultSelector):
    def __init__(self, jump: Callable[[float], None]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(None if timeout is None else 0)
        if timeout and not found:
            self._jump(timeout)
        return found


class _SimulatedPool:
    """A `WorkPool` whose work is done at once and takes as long as its model calls are drawn to take.

    Attributes:
        taken_s: By piece of work: how long it took.
        begun_s, ended_s: When the first began, and when the latest ends.
    """

    spread, seed = "constant", 0
    endpoint: InProcessEndpoint
    latest: "_SimulatedPool"

    def __init__(self, threads: int) -> None:
        type(self).latest = self
        self.threads = self._free = threads
        self._jobs: list[tuple[tuple[int, int], Callable[[], Any], asyncio.Future[Any]]] = []
        self._order = itertools.count()
        self._rng = random.Random(self.seed)
        self._loop = asyncio.get_running_loop()
        self.taken_s: list[float] = []
        self.begun_s = self.ended_s = 0.0

    async def run(self, work: Callable[[], Any], priority: int = 0, limit_s: float | None = None) -> Any:
        done: asyncio.Future[Any] = self._loop.create_future()
        heapq.heappush(self._jobs, ((priority, next(self._order)), work, done))  # type: ignore[misc]
        self._loop.call_soon(self._begin)
        return await done

    def _begin(self) -> None:
        while self._jobs and self._free:
            _, work, done = heapq.heappop(self._jobs)
            self._free -= 1
            before = int(self.endpoint.stats()["total"])
            result = work()
            calls = int(self.endpoint.stats()["total"]) - before
            took_s = sum(spread_of(self.spread, self._rng.random()) for _ in range(calls))
            if calls:
                self.begun_s = self.begun_s if self.taken_s else self._loop.time()
                self.taken_s.append(took_s)
                self.ended_s = max(self.ended_s, self._loop.time() + took_s)
            self._loop.call_later(took_s, self._end, done, result)

    def _end(self, done: "asyncio.Future[Any]", result: Any) -> None:
        self._free += 1
        if not done.done():
            done.set_result(result)
        self._begin()

    def refuse(self, reason: BaseException | None) -> None:
        """Nothing here is refused."""

    async def drain(self) -> None:
        while self._free < self.threads or self._jobs:
            await asyncio.sleep(0.1)

    def close(self) -> None:
        """Nothing to end."""


def simulated(spread: str, seed: int, threads: int = 16, n_val: int = N_VAL, **search: Any) -> Busy:
    """One run, its latencies drawn by `seed`, which is the run's too."""
    data = desk.rows(N_TRAIN + n_val)
    journal = MemoryJournal()
    journal.commit([_example(place, row) for place, row in enumerate(data)])
    _SimulatedPool.spread, _SimulatedPool.seed = spread, seed
    with InProcessEndpoint(responder="oracle", gold=desk.gold(data)) as endpoint:
        _SimulatedPool.endpoint = endpoint  # type: ignore[assignment]
        settings = {
            **{"program": "tests/programs/desk.py:program", "metric": "tests/programs/desk.py:metric", "seed": seed},
            **{"threads": threads, "pace": "threads"},
            "task_model": {"model": "openai/loop", "api_base": endpoint.base_url},
            "search": {"trials": 30, "candidates": 10, "schedule": "racing", **search},
        }

        async def live() -> None:
            asyncio.get_running_loop().set_default_executor(Immediate())
            await assembly.assemble(parse_config(settings), journal, ROOT, assembly.Past()).run.execute()

        with (
            mock.patch.object(assembly, "WorkPool", _SimulatedPool),
            dspy_as_new(),
            asyncio.Runner(loop_factory=_SimulatedLoop) as runner,
        ):
            runner.run(live())
        calls = int(endpoint.stats()["total"])
    pool, outcome = _SimulatedPool.latest, journal.outcome()
    wall_s, total_s = pool.ended_s - pool.begun_s, sum(pool.taken_s)
    most = total_s / (threads * _one_after_the_other(pool.taken_s, threads))
    return Busy(total_s / (threads * wall_s), most, calls, wall_s, outcome.winner if outcome else None)


def _example(place: int, row: dict[str, str]) -> Example:
    inputs, labels = {"message": row["message"]}, {"queue": row["queue"], "tone": row["tone"]}
    split, position = (Split.TRAIN, place) if place < N_TRAIN else (Split.VAL, place - N_TRAIN)
    return Example(example_id(inputs, labels), split, position, inputs, labels)


def _one_after_the_other(taken_s: Sequence[float], threads: int) -> float:
    """Seconds until all is done where whatever is next begins as soon as a thread is free."""
    free_at = [0.0] * threads
    for took_s in taken_s:
        heapq.heapreplace(free_at, free_at[0] + took_s)
    return max(free_at)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[16], help="calls at once")
    parser.add_argument("--spread", nargs="+", choices=SPREADS, default=list(SPREADS))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--lag", type=int, default=6)
    options = parser.parse_args()
    print("| at once | spread | utilization | least | most | calls |\n|---:|---|---:|---:|---:|---:|", flush=True)
    for threads, spread in itertools.product(options.threads, options.spread):
        search = {"trials": options.trials, "lag": options.lag}
        found = [simulated(spread, seed, threads, **search) for seed in range(options.seeds)]
        least = min(one.utilization for one in found)
        mean, most, calls = (fmean(getattr(one, name) for one in found) for name in ("utilization", "most", "calls"))
        print(f"| {threads} | {spread} | {mean:.3f} | {least:.3f} | {most:.3f} | {calls:.0f} |", flush=True)


if __name__ == "__main__":
    main()
