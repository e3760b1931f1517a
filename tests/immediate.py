"""Arithmetic that a run hands to threads, done where it is asked for: nothing goes on beside it."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

__all__ = ["Immediate"]


class Immediate(ThreadPoolExecutor):
    """For `loop.set_default_executor`."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **named))
        except BaseException as error:  # noqa: BLE001 - as an executor does
            done.set_exception(error)
        return done
