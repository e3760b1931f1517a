"""The reading side of the database, for pages and commands: it cannot write and never waits for a writer."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from sqlite_utils import Database

from mipro_studio.optimizer_core.types import Split
from mipro_studio.storage.clock import Clock, present
from mipro_studio.storage.connection import open_reader, snapshot
from mipro_studio.storage.damage import guarded
from mipro_studio.storage.rows import LiveView
from mipro_studio.storage.views.cells import CellViews
from mipro_studio.storage.views.reviews import ReviewViews
from mipro_studio.storage.views.runs import RunViews

__all__ = ["Reader"]


@guarded(lambda reader: reader.path, without=("close", "snapshot"))
class Reader(RunViews, CellViews, ReviewViews):
    """The store at `path`, opened read-only.

    A reader belongs to the thread that opened it (sqlite3 refuses others) and costs well under a millisecond,
    so every page run opens its own. Each method sees what was committed when it is called; methods called
    inside `snapshot()` see one state. `clock` is for tests.

    Raises:
        StudioError: the file is missing, is not a database, or has another schema than this studio.
    """

    def __init__(self, path: Path, clock: Clock = present) -> None:
        self.path = path
        self._clock = clock
        self._db: Database = open_reader(path)

    @property
    def database(self) -> Database:
        """For the rest of this package: what no view shows."""
        return self._db

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def snapshot(self) -> AbstractContextManager[None]:
        """Everything read inside is of one moment."""
        return snapshot(self._db)

    def live(
        self, run_id: str, after_event: int = 0, limit: int = 500, *, without: Sequence[str] | None = None
    ) -> LiveView:
        """One refresh of the live page: at most `limit` events above the cursor `after_event`, and the rest.

        Args:
            without: Given, the latest events that are of none of these kinds, whatever the cursor.

        Raises:
            StudioError: there is no such run.
        """
        with self.snapshot():
            summary = self.run(run_id)
            if without is None:
                events = self.events(summary.id, after_event, limit)
            else:
                events = self.recent_events(summary.id, limit, without)
            return LiveView(
                summary=summary,
                trials=self.trials(summary.id),
                times=self.trial_times(summary.id),
                spending=self.spent(summary.id),
                errors=self.errors_by_class(summary.id),
                test_cells=self.count_cells(summary.id, Split.TEST),
                events=events,
                outcome=self.outcome(summary.id),
            )
