"""Which calls belong together: those of one program run (or of one proposal), whatever thread or task makes them.

A `CallLog` is bound to the context of the code inside `collect_calls`. Tasks of asyncio inherit that context;
`optimizer_core.models.following` makes it follow work into threads, and `history` be that of the log.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import dspy
from dspy.dsp.utils.settings import thread_local_overrides

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import Usage

__all__ = ["CallLog", "CallRecord", "carried", "collect_calls", "current_log", "refuse_open_logs"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One answered call: its messages, raw reply, what it cost, and the refusal, if a filter or the model refused.

    `caller` is the predictor that made it; None for a call that the program made itself.
    """

    messages: tuple[Mapping[str, Any], ...]
    reply: str
    usage: Usage
    refusal: str = ""
    caller: Any = None


class CallLog:
    """Calls made while a program run or a proposal was under way. Safe in threads.

    What comes in after the end (a thread that the program left behind) is not taken up any more.

    Attributes:
        settings: DSPy's settings at the beginning, as a thread that the program starts should find them.
        refused: Why a call was not made, if one was not: a program that swallows the refusal must not be scored.
        outlived: Whether calls were made in its threads after its end: they may be at the service of others by now.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)
        self.refused: StudioError | None = None
        self.outlived = False
        self._calls: list[CallRecord] = []
        self._failed = 0
        self._ended = False
        self._histories: dict[int, tuple[Any, list[Any]]] = {}
        self._lock = threading.Lock()

    @property
    def calls(self) -> tuple[CallRecord, ...]:
        return tuple(self._calls)

    @property
    def failed(self) -> int:
        """Attempts that came to nothing."""
        return self._failed

    @property
    def ended(self) -> bool:
        return self._ended

    @property
    def usage(self) -> Usage:
        total = Usage(retries=self._failed)
        for call in self.calls:
            total = total + call.usage
        return total

    def add(self, call: CallRecord) -> None:
        with self._lock:
            if not self._ended:
                self._calls.append(call)

    def add_failure(self) -> None:
        with self._lock:
            self._failed += not self._ended

    def refuse(self, refusal: StudioError) -> None:
        self.refused = self.refused or refusal

    def end(self) -> None:
        with self._lock:
            self._ended = True

    def history(self, owner: Any, before: list[Any]) -> list[Any]:
        """The entries of `owner` (a model, a module) in this run; it starts as a copy of what it held `before`."""
        with self._lock:
            return self._histories.setdefault(id(owner), (owner, list(before)))[1]

    def set_history(self, owner: Any, entries: list[Any]) -> None:
        with self._lock:
            self._histories[id(owner)] = (owner, entries)


_log: ContextVar[CallLog | None] = ContextVar("call_log", default=None)
_open: set[CallLog] = set()
_open_lock = threading.Lock()


def current_log() -> CallLog | None:
    """The log of what this thread or task is part of."""
    return _log.get()


@contextmanager
def collect_calls(**settings: Any) -> Iterator[CallLog]:
    """Collect the calls made inside the block, and by the threads and tasks that it starts.

    Args:
        settings: DSPy settings inside the block (`lm`, `adapter`, `trace`, ...).
    """
    with dspy.context(**settings):
        # As in plain DSPy, a thread of the program's own finds the configured settings, and no trace that is read.
        log = CallLog({**thread_local_overrides.get(), "trace": []})
        token = _log.set(log)
        with _open_lock:
            _open.add(log)
        try:
            yield log
        finally:
            with _open_lock:
                _open.discard(log)
            log.end()
            _log.reset(token)


def refuse_open_logs(refusal: StudioError, concerns: Callable[[CallLog], bool]) -> None:
    """Note a refused call of which nobody knows whose it is: it may be any program run's that is under way.

    Args:
        concerns: Of which logs it may be at all.
    """
    with _open_lock:
        for log in _open:
            if concerns(log):
                log.refuse(refusal)


def carried(work: Callable[..., T]) -> Callable[..., T]:
    """`work`, to be called by another thread as part of what the present thread is part of."""
    log = _log.get()

    def inside(*args: Any, **kwargs: Any) -> T:
        # Only these two: whatever else a thread keeps in its context (a pool's initializer, say) stays as it is.
        token = _log.set(log)
        overrides = thread_local_overrides.set(log.settings.copy() if log is not None else {})
        try:
            return work(*args, **kwargs)
        finally:
            thread_local_overrides.reset(overrides)
            _log.reset(token)

    return inside
