"""Which of the server's slots a prompt goes to.

A slot keeps the prompt it last saw, and a prompt that starts alike costs only its new tokens (on two
cores a fresh token costs about 8 ms of processor time). Left to itself the server spreads calls over
all idle slots, so that every slot evaluates every candidate's prefix anew. Sending the calls with one
prefix to one slot evaluates the prefix once; they then run one after the other, which loses nothing
because on a processor a batch of sequences costs almost the sum of its parts.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass

__all__ = ["SlotBook"]


@dataclass
class _Entry:
    slot: int
    warm: bool = False


class SlotBook:
    """Thread-safe map from prefix to slot, least recently used slot first."""

    def __init__(self, slots: int) -> None:
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        # Clients in other processes use the same slots; starting elsewhere makes meeting them rarer.
        start = os.getpid() % slots
        self._order = [(start + n) % slots for n in range(slots)]

    def slot_for(self, prefix: str) -> int:
        """The slot of a known prefix, else the slot that this process has left alone the longest."""
        with self._lock:
            entry = self._entries.get(prefix)
            if entry is None:
                slot = self._order[0]
                self._forget(slot)
                entry = self._entries[prefix] = _Entry(slot)
            self._touch(entry.slot)
            return entry.slot

    def report(self, prefix: str, *, cold: bool) -> None:
        """Learn from an answer. A prefix that was warm and is found cold has met another client: move it."""
        with self._lock:
            entry = self._entries.get(prefix)
            if entry is None:
                return
            if entry.warm and cold:
                del self._entries[prefix]
            else:
                entry.warm = True

    def _touch(self, slot: int) -> None:
        self._order.remove(slot)
        self._order.append(slot)

    def _forget(self, slot: int) -> None:
        for prefix in [key for key, entry in self._entries.items() if entry.slot == slot]:
            del self._entries[prefix]
