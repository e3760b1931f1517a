"""Which of the server's slots a prompt goes to.

A slot keeps the prompt it last saw, and a prompt that starts alike costs only its new tokens (a fresh
token costs about 6 ms of processor time). Left to itself the server spreads calls over all idle slots,
so that every slot evaluates every candidate's prefix anew. Sending the calls with one prefix to one
slot evaluates the prefix once. A new prefix goes to the lane (a processor) with the least to do, so that
the predictors of one program keep all of them busy. Calls that queue beside an idle lane get a slot there
too, the later the longer the prefix is: at once where there is none, as in a free question.
"""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Final

__all__ = ["SlotBook"]

# Evaluating a prefix a second time costs as much as one call for each so many of its characters. As many
# calls must have queued beside an idle lane before it is done.
_CHARACTERS_PER_CALL: Final = 150


@dataclass
class _Entry:
    slots: list[int]
    warm: set[int] = field(default_factory=set)
    crowded: int = 0


class SlotBook:
    """Thread-safe map from prefix to slots, least recently used slot first.

    Slots count from 0 to ``lanes * slots`` - 1; slot ``s`` is number ``s // lanes`` of lane ``s % lanes``.
    """

    def __init__(self, lanes: int, slots: int) -> None:
        self._lock = threading.Lock()
        self._lanes = lanes
        self._entries: dict[str, _Entry] = {}
        self._running = [0] * (lanes * slots)
        # Clients in other processes use the same slots; starting elsewhere makes meeting them rarer.
        start = os.getpid() % len(self._running)
        self._order = [(start + n) % len(self._running) for n in range(len(self._running))]

    def begin(self, prefix: str) -> int:
        """The slot for one call; every ``begin`` is followed by one :meth:`end`."""
        with self._lock:
            entry = self._entries.get(prefix)
            if entry is None:
                entry = self._entries[prefix] = _Entry([self._take(self._quietest(set(range(self._lanes))))])
            slot = min(entry.slots, key=lambda known: self._running[known])
            idle = self._idle_lanes(entry)
            entry.crowded += bool(self._running[slot] and idle)
            if idle and entry.crowded > len(prefix) / _CHARACTERS_PER_CALL:
                entry.crowded = 0
                slot = self._take(self._quietest(idle))
                entry.slots.append(slot)
            self._order.remove(slot)
            self._order.append(slot)
            self._running[slot] += 1
            return slot

    def end(self, prefix: str, slot: int, *, cold: bool | None = None) -> None:
        """Learn from an answer (None: there was none). A warm prefix found cold has met another client: it moves."""
        with self._lock:
            self._running[slot] -= 1
            entry = self._entries.get(prefix)
            if entry is None or slot not in entry.slots or cold is None:
                return
            if cold and slot in entry.warm:
                self._drop(prefix, slot)
            else:
                entry.warm.add(slot)

    def _idle_lanes(self, entry: _Entry) -> set[int]:
        """Lanes on which nothing runs and this prefix does not stand."""
        taken = {slot % self._lanes for slot, running in enumerate(self._running) if running}
        taken |= {slot % self._lanes for slot in entry.slots}
        return set(range(self._lanes)) - taken

    def _quietest(self, lanes: set[int]) -> int:
        """The least recently used slot of the lane with the least to do."""
        load = [sum(self._running[lane :: self._lanes]) for lane in range(self._lanes)]
        return min((slot for slot in self._order if slot % self._lanes in lanes), key=lambda s: load[s % self._lanes])

    def _take(self, slot: int) -> int:
        """`slot`, forgotten by whoever had it."""
        for prefix in [key for key, entry in self._entries.items() if slot in entry.slots]:
            self._drop(prefix, slot)
        return slot

    def _drop(self, prefix: str, slot: int) -> None:
        entry = self._entries[prefix]
        entry.slots.remove(slot)
        entry.warm.discard(slot)
        if not entry.slots:
            del self._entries[prefix]
