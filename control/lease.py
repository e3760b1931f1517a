"""The thread that keeps a run's lease: whoever works on a run says once a second that it lives."""

import threading
from pathlib import Path

from mipro_studio.optimizer_core.errors import LeaseLost, StudioError
from mipro_studio.storage import Store

__all__ = ["BEAT_S", "LeaseKeeper"]

BEAT_S = 1.0


class LeaseKeeper(threading.Thread):
    """Renews the lease of a claimed run on a connection of its own, until it is told to stop or the lease is lost.

    What else is to be done once a second is `beaten`, of whoever inherits.

    Args:
        lease_s: Seconds after which a run without a sign of life counts as lost.
    """

    def __init__(self, store: Path, run_id: str, worker_id: str, lease_s: float, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._path, self._run_id, self._worker_id, self._lease_s = store, run_id, worker_id, lease_s
        self._quit = threading.Event()
        self._wake = threading.Event()

    def run(self) -> None:
        store = Store(self._path, busy_s=BEAT_S)
        last = False
        while not last:
            self._wake.wait(BEAT_S)
            self._wake.clear()
            last = self._quit.is_set()  # one more beat, which does what was left to do
            hindered = ""
            try:
                self.before()
                store.beat(self._run_id, self._worker_id, self._lease_s)
                self.beaten(store)
            except LeaseLost:
                self.lost()
                break
            except StudioError as error:  # a lock, or a full disk: the next beat may work
                hindered = error.message
            self.after(hindered)
        self.over()
        store.close()

    def before(self) -> None:
        """Called before a beat."""

    def beaten(self, store: Store) -> None:
        """Called when the lease is renewed; what it raises of `StudioError` hinders this beat only."""

    def after(self, hindered: str) -> None:
        """Called after a beat; `hindered` says why there was none, if so."""

    def lost(self) -> None:
        """Called when another worker owns the run; nothing is called after it but `over`."""

    def over(self) -> None:
        """Called at the end."""

    def stop(self) -> None:
        """One last beat, at once, and no more."""
        self._quit.set()
        self._wake.set()
        self.join()
