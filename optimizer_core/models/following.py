"""What Python and DSPy do not carry along by themselves, done once a process: see `follow`.

- A thread starts with an empty context: a program that calls models in threads of its own would leave its call log.
- DSPy keeps one history for a model, a module and the process. Program runs beside each other would read each other's
  calls, and a long run would keep every prompt in memory. In a program run, `history` is the run's own.
- `dspy.asyncify` has one limit of threads for all event loops, which loops in several threads wait at for ever. Every
  loop gets one of its own.
- `dspy.Parallel` empties tqdm's set of progress bars while another `dspy.Parallel` takes its own out of it: KeyError.
"""

import functools
import importlib
import threading
from collections.abc import Callable, Iterable, Iterator, MutableSequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from typing import Any
from weakref import WeakSet

import anyio
import dspy
from anyio.lowlevel import RunVar
from dspy.clients import base_lm
from dspy.utils import parallelizer

from mipro_studio.optimizer_core.models.calls import carried, current_log

__all__ = ["follow"]

_POOL_METHODS = ("apply", "apply_async", "map", "map_async", "starmap", "starmap_async", "imap", "imap_unordered")
_MARK = "_follows_program_runs"


def follow() -> None:
    """Let call logs follow into threads and histories be those of a program run. A second call changes nothing."""
    if getattr(threading.Thread.start, _MARK, False):
        return
    _replace(threading.Thread, "start", _starting)
    _replace(ThreadPoolExecutor, "submit", _first_argument_carried)
    for name in _POOL_METHODS:
        _replace(ThreadPool, name, _first_argument_carried)
    for owner in (dspy.BaseLM, dspy.Module):
        owner.history = _OwnHistory()
    base_lm.GLOBAL_HISTORY = _GlobalHistory(base_lm.GLOBAL_HISTORY)
    bars = parallelizer.tqdm.tqdm
    bars._instances = _Bars(bars._instances)
    importlib.import_module("dspy.utils.asyncify").get_limiter = _limiter_of_this_loop  # type: ignore[attr-defined]


def _replace(owner: type, name: str, change: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    changed = change(getattr(owner, name))
    setattr(changed, _MARK, True)
    setattr(owner, name, changed)


def _starting(start: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(start)
    def begun(thread: threading.Thread) -> None:
        if current_log() is not None:
            run = carried(thread.run)

            def once() -> None:
                vars(thread).pop("run", None)  # the thread's own method again: a cycle would keep it alive
                run()

            thread.run = once  # type: ignore[method-assign]
        start(thread)

    return begun


def _first_argument_carried(method: Callable[..., Any]) -> Callable[..., Any]:
    """For a method whose first argument is what another thread is to call."""

    @functools.wraps(method)
    def called(pool: Any, *args: Any, **kwargs: Any) -> Any:
        if args:
            return method(pool, carried(args[0]), *args[1:], **kwargs)
        return method(pool, **{name: carried(value) if name == "func" else value for name, value in kwargs.items()})

    return called


_limiter: RunVar[anyio.CapacityLimiter] = RunVar("asyncify_limiter")


def _limiter_of_this_loop() -> anyio.CapacityLimiter:
    try:
        limiter = _limiter.get()
    except LookupError:
        limiter = anyio.CapacityLimiter(1)
        _limiter.set(limiter)
    limiter.total_tokens = dspy.settings.async_max_workers
    return limiter


class _Bars(WeakSet[Any]):
    """tqdm's progress bars: taking out one that is not there any more is no error."""

    def remove(self, item: Any) -> None:
        self.discard(item)

    def clear(self) -> None:
        with parallelizer.tqdm.tqdm.get_lock():  # others go through the set with it
            super().clear()


class _OwnHistory:
    """The attribute `history` of models and modules: in a program run the run's, outside of one the object's."""

    def __get__(self, owner: Any, kind: type | None = None) -> Any:
        if owner is None:
            return self
        own: list[Any] = owner.__dict__.setdefault("history", [])
        log = current_log()
        return own if log is None else log.history(owner, own)

    def __set__(self, owner: Any, entries: list[Any]) -> None:
        log = current_log()
        if log is None:
            owner.__dict__["history"] = entries
        else:
            log.set_history(owner, entries)


class _GlobalHistory(MutableSequence[Any]):
    """`dspy.inspect_history`'s list, likewise."""

    def __init__(self, outside: Iterable[Any]) -> None:
        self._outside = list(outside)

    @property
    def _entries(self) -> list[Any]:
        log = current_log()
        return self._outside if log is None else log.history(self, [])

    def __getitem__(self, place: Any) -> Any:
        return self._entries[place]

    def __setitem__(self, place: Any, entry: Any) -> None:
        self._entries[place] = entry

    def __delitem__(self, place: Any) -> None:
        del self._entries[place]

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._entries)

    def append(self, value: Any) -> None:
        self._entries.append(value)

    def insert(self, index: int, value: Any) -> None:
        self._entries.insert(index, value)
