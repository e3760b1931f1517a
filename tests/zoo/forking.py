"""One process for each program, as in a real run, without importing DSPy each time: children are forked.

So modules of the same name, settings and working folders of one program say nothing to another.
Imports nothing of ours.
"""

import gc
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

__all__ = ["forked"]

LONGEST_S = 240


def forked(names: Iterable[str], work: Callable[[str], Any], folder: Path, at_once: int) -> dict[str, Any]:
    """What `work(name)` returns, as JSON, by name; {"crash": traceback} where it raised or ended early.

    What a child prints goes to `folder`/<place>.log. The caller must have no threads.
    """
    gc.collect()
    gc.freeze()  # shared pages stay shared
    waiting = list(enumerate(names))[::-1]
    running: dict[int, tuple[str, Path]] = {}
    done: dict[str, Any] = {}
    while waiting or running:
        while waiting and len(running) < at_once:
            place, name = waiting.pop()
            path = folder / f"{place}.json"
            running[_child(name, work, path)] = (name, path)
        pid, _ = os.wait()
        name, path = running.pop(pid)
        log = path.with_suffix(".log")
        done[name] = json.loads(path.read_text()) if path.exists() else {"crash": log.read_text()[-2000:] or "killed"}
    return done


def _child(name: str, work: Callable[[str], Any], path: Path) -> int:
    pid = os.fork()
    if pid:
        return pid
    signal.alarm(LONGEST_S)
    log = os.open(path.with_suffix(".log"), os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(log, stream)
    try:
        answer = work(name)
    except BaseException:  # noqa: BLE001 - whatever it is, it is this program's result
        answer = {"crash": traceback.format_exc(limit=-6)}
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    part = path.with_suffix(".part")
    part.write_text(json.dumps(answer))
    part.replace(path)
    os._exit(0)
