"""The desk with a metric that never comes back on some rows, or ends more than its row, in the way HANG names."""

import ctypes
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from desk import Desk
from desk import metric as right


def deaf() -> None:
    while True:
        try:
            time.sleep(0.01)
        except BaseException:  # noqa: BLE001 - as bad as it gets
            continue


def busy() -> None:
    while True:
        pass


def stuck() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def lost_in_a_pattern() -> None:
    re.match(r"(a+)+$", "a" * 60 + "b")  # for centuries, and no other thread of the process runs


def lost_in_a_library() -> None:
    ctypes.PyDLL(None).sleep(100_000)  # keeps Python's lock


def exits(error: type[BaseException]) -> Callable[[], None]:
    def act() -> None:
        raise error("of the row")

    return act


ACTS: dict[str, Callable[[], Any]] = {
    "asleep": lambda: time.sleep(100_000),
    "busy": busy,
    "deaf": deaf,
    "stuck": stuck,
    "child": lambda: subprocess.run(["sleep", "100000"]),
    "lost_in_a_pattern": lost_in_a_pattern,
    "lost_in_a_library": lost_in_a_library,
    "os._exit": lambda: os._exit(3),
    "KeyboardInterrupt": exits(KeyboardInterrupt),
    "SystemExit": exits(SystemExit),
    "GeneratorExit": exits(GeneratorExit),
    "StopIteration": exits(StopIteration),
}

program = Desk


def metric(example: Any, prediction: Any, trace: Any = None) -> float:
    if os.environ.get("HANG") and example.message in os.environ["HANG_ON"].split("|"):
        ACTS[os.environ["HANG"]]()
    return right(example, prediction, trace)
