"""The run's memory on SQLite: `optimizer_core.evaluation.journal.Journal` for one worker's life."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from mipro_studio.optimizer_core.types import (
    Arm,
    Cell,
    Change,
    Example,
    Outcome,
    PromptCall,
    Record,
    Spent,
    Trial,
    Tuning,
)
from mipro_studio.storage.codec import iso
from mipro_studio.storage.damage import guarded
from mipro_studio.storage.lifecycle import require_owner
from mipro_studio.storage.reading import (
    read_arms,
    read_cells,
    read_changes,
    read_examples,
    read_outcome,
    read_prompt_calls,
    read_spent,
    read_trial_examples,
    read_trials,
    read_tunings,
)
from mipro_studio.storage.store import Store
from mipro_studio.storage.writing import write_records

__all__ = ["SqliteJournal"]


@guarded(lambda journal: journal.path, without=("commit",))
class SqliteJournal:
    """A `Journal` for the run that `worker_id` has claimed.

    Belongs to the store's thread. `commit` returns when the transaction is in the write-ahead log: no crash of
    a process takes it back. Readers do not ask for the lease.

    Raises:
        LeaseLost: from `commit`; the worker does not own the run (any more), nothing was written.
        StudioError: the disk refused; nothing was written.
        TypeError: from `commit`; a record holds something that is not JSON, nothing was written.
    """

    def __init__(self, store: Store, run_id: str, worker_id: str) -> None:
        self._store = store
        self._run_id = run_id
        self._worker_id = worker_id

    @property
    def path(self) -> Path:
        return self._store.path

    def commit(self, records: Sequence[Record]) -> None:
        """Write all of `records` in one transaction, or none."""
        self._store.patiently(lambda: self._commit(records))

    def _commit(self, records: Sequence[Record]) -> None:
        with self._store.atomic() as db:
            require_owner(db, self._run_id, self._worker_id)
            write_records(db, self._run_id, records, iso(self._store.now()))

    def examples(self) -> Iterable[Example]:
        return list(read_examples(self._store.db, self._run_id))

    def arms(self) -> Iterable[Arm]:
        return list(read_arms(self._store.db, self._run_id))

    def cells(self) -> Iterable[Cell]:
        return list(read_cells(self._store.db, self._run_id))

    def trials(self) -> Iterable[Trial]:
        examples = read_trial_examples(self._store.db, self._run_id)
        trials = read_trials(self._store.db, self._run_id)
        return [replace(trial, examples=examples[trial.order]) for trial in trials]

    def prompt_calls(self) -> Iterable[PromptCall]:
        return list(read_prompt_calls(self._store.db, self._run_id))

    def spent(self) -> Iterable[Spent]:
        return list(read_spent(self._store.db, self._run_id))

    def tunings(self) -> Iterable[Tuning]:
        return list(read_tunings(self._store.db, self._run_id))

    def outcome(self) -> Outcome | None:
        return read_outcome(self._store.db, self._run_id)

    def changes(self) -> Iterable[Change]:
        return list(read_changes(self._store.db, self._run_id))
