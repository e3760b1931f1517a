"""The thread of a worker that says that it lives, and hears what people ask of the run meanwhile."""

import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from mipro_studio.optimizer_core.errors import LeaseLost, StudioError
from mipro_studio.optimizer_core.types import ChangeKind, Event
from mipro_studio.storage import Reader, SqliteJournal, Store

__all__ = ["LEASE_S", "Heart"]

LEASE_S = 6.0
BEAT_S = 1.0
SPENDING_S = 2.0
TAKES_EFFECT = ("stop", "pause")
"""Commands that the run obeys."""


class Heart(threading.Thread):
    """Renews the lease, hears commands and notes the spending, on connections of its own."""

    def __init__(
        self,
        store: Path,
        run_id: str,
        worker_id: str,
        on_command: Callable[[str], None],
        tend: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(name="heart", daemon=True)
        self._path = store
        self._run_id = run_id
        self._worker_id = worker_id
        self._on_command = on_command
        self._tend = tend
        self._quit = threading.Event()
        self._wake = threading.Event()
        self._told: set[int] = set()
        self._settled: set[int] = set()
        self._born = self._noted = time.monotonic()
        self._spent: dict[str, list[float | None]] = {}

    def run(self) -> None:
        store = Store(self._path)
        while not self._quit.is_set():
            self._wake.wait(BEAT_S)
            self._wake.clear()
            self._tend()
            try:
                self._beat(store)
            except LeaseLost:
                self._on_command("lost")
                return
            except StudioError as error:  # a full disk, say: the next beat may work, and the run itself will notice
                print(error, file=sys.stderr)

    def _beat(self, store: Store) -> None:
        store.beat(self._run_id, self._worker_id, LEASE_S)
        for asked in store.pending_commands(self._run_id):
            # Changes of the arms wait for the search, which takes them up between trials.
            if asked.kind in {*ChangeKind} or asked.id in self._told:
                continue
            self._told.add(asked.id)
            if asked.kind in TAKES_EFFECT:
                self._on_command(asked.kind)
            else:
                self._settled.add(asked.id)
        done, self._settled = self._settled, set()
        store.mark_handled(sorted(done))
        self._note_spending(store)

    def settled(self) -> None:
        """What was commanded so far has taken effect: only now it is marked as handled."""
        self._settled |= self._told
        self._wake.set()

    def _note_spending(self, store: Store) -> None:
        """Totals by role now and then, ever more rarely: hundreds in a long run and not thousands."""
        now = time.monotonic()
        if now - self._noted < max(SPENDING_S, 0.01 * (now - self._born)):
            return
        with Reader(self._path) as reader:
            burns = reader.burns(self._run_id)
        spent = {
            role.value: [usage.calls, usage.input_tokens, usage.output_tokens, usage.cost_usd]
            for role, usage in burns.items()
        }
        if spent != self._spent:
            SqliteJournal(store, self._run_id, self._worker_id).commit([Event("spending", spent)])
            self._spent, self._noted = spent, now

    def stop(self) -> None:
        """One last beat, which settles what was commanded, and no more."""
        self._quit.set()
        self.settled()
        self.join()
