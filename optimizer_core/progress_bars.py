"""tqdm's list of open bars, made to bear what DSPy does with it.

`dspy.Parallel` and `Module.batch` clear that list while other threads make bars, and a bar that is switched off then
raises KeyError because it is no longer in it: a program run failed now and then for no reason of its own.
"""

from typing import Any
from weakref import WeakSet

from tqdm import tqdm

__all__ = ["bear_clearing"]


class _Bars(WeakSet[Any]):
    def remove(self, item: Any) -> None:
        self.discard(item)


def bear_clearing() -> None:
    """Let bars go that are not listed any more. Doing so again changes nothing."""
    if not isinstance(tqdm._instances, _Bars):
        tqdm._instances = _Bars(tqdm._instances)
