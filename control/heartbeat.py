"""The thread of a worker that says that it lives, and hears what people ask of the run meanwhile."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from mipro_studio.control.lease import LeaseKeeper
from mipro_studio.optimizer_core.types import ChangeKind, Event, EventKind
from mipro_studio.storage import PulseFile, Reader, SqliteJournal, Store, StoreUnavailable, present

__all__ = ["LEASE_S", "LIMIT", "Heartbeat", "Waiting"]

LEASE_S = 6.0
SPENDING_S = 2.0
LONGEST_WAIT_S = 3.0
TAKES_EFFECT = ("stop", "pause")
"""Commands that the run obeys when nothing is under way any more."""
LIMIT = "limit"
"""The one that takes effect at once: no more than so many calls at a time."""


class Waiting:
    """A worker's patience with a store that cannot be written: nothing that was paid for is lost for want of room.

    It says so in the log, and through the heart to whoever looks at the run.
    """

    def __init__(self) -> None:
        self.says = ""
        self.notes: list[str] = []
        self._since = 0.0

    def wait(self, error: StoreUnavailable) -> None:
        now = time.monotonic()
        if not self.says:
            self._since = now
            print(f"{error.message} The run waits.", file=sys.stderr, flush=True)
        self.says = f"{error.message} The run waits, and goes on by itself when it can."
        time.sleep(min(LONGEST_WAIT_S, 0.1 + (now - self._since) / 4))

    def over(self) -> None:
        if self.says:
            cause = self.says.partition(" The run waits,")[0]
            self.notes.append(f"{cause} The run waited {time.monotonic() - self._since:.0f} s and went on.")
            print(self.notes[-1], file=sys.stderr, flush=True)
            self.says = ""


class Heartbeat(LeaseKeeper):
    """Keeps a worker's lease, hears commands and notes the spending."""

    def __init__(
        self,
        store: Path,
        run_id: str,
        worker_id: str,
        on_command: Callable[[str], None],
        waiting: Waiting,
        tend: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(store, run_id, worker_id, LEASE_S, "heart")
        self._on_command = on_command
        self._tend = tend
        self._waiting = waiting
        self._pulse = PulseFile(store, run_id)
        self._told: set[int] = set()
        self._settled: set[int] = set()
        self._born = self._noted = time.monotonic()
        self._spent: dict[str, list[float | None]] = {}

    def before(self) -> None:
        self._tend()

    def after(self, hindered: str) -> None:
        says = f"{hindered} The run waits, and goes on by itself when it can." if hindered else ""
        self._pulse.beat(self._worker_id, present(), self._waiting.says or says)

    def lost(self) -> None:
        self._on_command("lost")

    def over(self) -> None:
        self._pulse.close()

    def beaten(self, store: Store) -> None:
        for asked in store.pending_commands(self._run_id):
            # Changes of the arms wait for the search, which takes them up between trials.
            if asked.kind in {*ChangeKind} or asked.id in self._told:
                continue
            self._told.add(asked.id)
            if asked.kind in TAKES_EFFECT:
                self._on_command(asked.kind)
            else:
                if asked.kind == LIMIT:
                    self._on_command(f"{LIMIT} {asked.payload['at_once']}")
                self._settled.add(asked.id)
        done, self._settled = self._settled, set()
        store.mark_handled(sorted(done))
        while self._waiting.notes:
            note = Event(EventKind.WARNING, {"text": self._waiting.notes[0]})
            SqliteJournal(store, self._run_id, self._worker_id).commit([note])
            del self._waiting.notes[0]
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
            spending = reader.spent(self._run_id)
        spent = {
            role.value: [usage.calls, usage.input_tokens, usage.output_tokens, usage.cost_usd]
            for role, usage in spending.items()
        }
        if spent != self._spent:
            SqliteJournal(store, self._run_id, self._worker_id).commit([Event(EventKind.SPENDING, spent)])
            self._spent, self._noted = spent, now

    def stop(self) -> None:
        """One last beat, which settles what was commanded, and no more."""
        self.settled()
        super().stop()
