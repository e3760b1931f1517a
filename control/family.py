"""The processes that a worker's program starts, also those that leave its session and its environment behind."""

import ctypes
import os
import signal
from contextlib import suppress
from pathlib import Path

__all__ = ["Family", "adopt_orphans", "end_rest_of_session"]

_PROC = Path("/proc")
_SET_CHILD_SUBREAPER = 36
_ROWS = b"optimizer_core.evaluation.cell_worker"


def adopt_orphans() -> None:
    """From now on this process is the parent of what its children leave behind, so that they can be found (Linux)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def end_rest_of_session() -> None:
    """End what a program has left in the session that this process began. Our helpers have sessions of their own."""
    me = os.getpid()
    if os.getsid(0) != me or not _PROC.is_dir():
        return
    for pid in [int(one.name) for one in _PROC.iterdir() if one.name.isdigit()]:
        with suppress(OSError):  # it has ended
            if pid != me and os.getsid(pid) == me:
                os.kill(pid, signal.SIGKILL)


class Family:
    """What descends from a process, as far as it was looked at while that lived. Our own helpers, which outlive a
    run or serve several, are no part of it.

    Args:
        of: The process id of the worker.
    """

    def __init__(self, of: int) -> None:
        self._of = of
        self._known: dict[int, str] = {}

    def look(self) -> None:
        """Take up whom there is now, and forget whom there is not any more."""
        self._known = {pid: born for pid, born in self._known.items() if _born(pid) == born}
        found = [self._of]
        while found:
            for child in _children(found.pop()):
                if child not in self._known and not _is_helper(child) and (born := _born(child)):
                    self._known[child] = born
                    found.append(child)
                elif child in self._known:
                    found.append(child)

    def living(self) -> list[int]:
        """Those that were seen and are still there."""
        return [pid for pid, born in self._known.items() if _born(pid) == born]


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with suppress(OSError):  # it has ended
        for task in (_PROC / str(pid) / "task").iterdir():
            with suppress(OSError):
                found += map(int, (task / "children").read_text().split())
    return found


def _born(pid: int) -> str:
    """When the process began, as the kernel counts; empty when it has ended. A number may be given to another one."""
    try:
        state, *rest = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return ""
    return "" if state in "ZX" else rest[18]


def _is_helper(pid: int) -> bool:
    """Whether it is a process of ours, those that run the program's rows apart."""
    try:
        called = (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    ours = any(word.endswith(b"mipro_studio/__main__.py") for word in called[:4])
    return ours and _ROWS not in called
