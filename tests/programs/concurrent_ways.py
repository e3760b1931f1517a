"""Programs that ask a model twice at once, each in another of the ways that Python and DSPy have for it."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any

import dspy
from dspy.utils.parallelizer import ParallelExecutor

__all__ = ["WAYS", "Twice"]

POOL = ThreadPoolExecutor(4)
THREAD_POOL = ThreadPool(4)
_loops: list[asyncio.AbstractEventLoop] = []
_lock = threading.Lock()


class Twice(dspy.Module):  # type: ignore[misc]
    """`ask(program, text)` runs both predictors; their two answers are joined."""

    def __init__(self, ask: Callable[["Twice", str], list[str]]) -> None:
        super().__init__()
        self.notes = dspy.Predict("text -> notes")
        self.label = dspy.Predict("text -> answer")
        self.ask = ask

    def both(self) -> list[dspy.Predict]:
        return [self.notes, self.label]

    def forward(self, text: str) -> dspy.Prediction:
        return dspy.Prediction(answer=" ".join(self.ask(self, text)))


def _said(prediction: Any) -> str:
    return str(prediction.notes if "notes" in prediction else prediction.answer)


def _run(coroutine: Coroutine[Any, Any, list[str]]) -> list[str]:
    return asyncio.run(coroutine)


def dspy_parallel(program: Twice, text: str) -> list[str]:
    ask = dspy.Parallel(num_threads=2, disable_progress_bar=True)
    return [_said(answer) for answer in ask([(one, {"text": text}) for one in program.both()]) if answer]


def module_batch(program: Twice, text: str) -> list[str]:
    rows = [dspy.Example(text=text).with_inputs("text")] * 2
    return [_said(answer) for answer in program.label.batch(rows, num_threads=2, disable_progress_bar=True) if answer]


def parallel_executor(program: Twice, text: str) -> list[str]:
    pool = ParallelExecutor(num_threads=2, disable_progress_bar=True)
    return [_said(answer) for answer in pool.execute(lambda one: one(text=text), program.both()) if answer]


def pool_of_its_own(program: Twice, text: str) -> list[str]:
    with ThreadPoolExecutor(2) as pool:
        return [_said(answer) for answer in pool.map(lambda one: one(text=text), program.both())]


def shared_pool(program: Twice, text: str) -> list[str]:
    return [_said(future.result()) for future in [POOL.submit(one, text=text) for one in program.both()]]


def shared_thread_pool(program: Twice, text: str) -> list[str]:
    return [_said(answer) for answer in THREAD_POOL.map(lambda one: one(text=text), program.both())]


def plain_threads(program: Twice, text: str) -> list[str]:
    said: list[str] = []

    def ask(one: dspy.Predict) -> None:
        said.append(_said(one(text=text)))

    threads = [threading.Thread(target=ask, args=(one,)) for one in program.both()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(said)


class _Asker(threading.Thread):
    def __init__(self, one: dspy.Predict, text: str) -> None:
        super().__init__()
        self.one, self.text, self.said = one, text, ""

    def run(self) -> None:
        self.said = _said(self.one(text=self.text))


def thread_subclass(program: Twice, text: str) -> list[str]:
    threads = [_Asker(one, text) for one in program.both()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [thread.said for thread in threads]


def to_thread(program: Twice, text: str) -> list[str]:
    async def both() -> list[str]:
        answers = await asyncio.gather(*(asyncio.to_thread(one, text=text) for one in program.both()))
        return [_said(answer) for answer in answers]

    return _run(both())


def run_in_executor(program: Twice, text: str) -> list[str]:
    async def both() -> list[str]:
        loop = asyncio.get_running_loop()
        asked = [loop.run_in_executor(POOL, lambda one=one: one(text=text)) for one in program.both()]
        return [_said(answer) for answer in await asyncio.gather(*asked)]

    return _run(both())


def gather_acall(program: Twice, text: str) -> list[str]:
    async def both() -> list[str]:
        answers = await asyncio.gather(*(one.acall(text=text) for one in program.both()))
        return [_said(answer) for answer in answers]

    return _run(both())


def asyncify(program: Twice, text: str) -> list[str]:
    async def both() -> list[str]:
        answers = await asyncio.gather(*(dspy.asyncify(one)(text=text) for one in program.both()))
        return [_said(answer) for answer in answers]

    return _run(both())


def loop_in_the_background(program: Twice, text: str) -> list[str]:
    with _lock:
        if not _loops:
            _loops.append(asyncio.new_event_loop())
            threading.Thread(target=_loops[0].run_forever, daemon=True).start()
    asked = [asyncio.run_coroutine_threadsafe(one.acall(text=text), _loops[0]) for one in program.both()]
    return [_said(future.result()) for future in asked]


def nested(program: Twice, text: str) -> list[str]:
    with ThreadPoolExecutor(1) as outer:
        return outer.submit(pool_of_its_own, program, text).result()


WAYS: dict[str, Callable[[Twice, str], list[str]]] = {
    way.__name__: way
    for way in (
        dspy_parallel, module_batch, parallel_executor, pool_of_its_own, shared_pool, shared_thread_pool,
        plain_threads, thread_subclass, to_thread, run_in_executor, gather_acall, asyncify,
        loop_in_the_background, nested,
    )
}  # fmt: skip
