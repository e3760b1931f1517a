"""The port through which a run remembers. `storage` implements it on SQLite, `MemoryJournal` for tests.

The contract is the whole of crash safety: what `commit` has returned for is durable, a result is acted upon
only after it was committed, and a run that finds its own records in the journal does not pay for them again.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from mipro_studio.optimizer_core.types import (
    Arm,
    Cell,
    Change,
    Event,
    Example,
    Outcome,
    PromptCall,
    Record,
    Settled,
    Spent,
    Trial,
    Tuning,
)

__all__ = ["Journal", "MemoryJournal"]


class Journal(Protocol):
    """Durable memory of one run.

    Threads: called from the run's event loop thread only. Every reader returns what was committed, in the
    order first written; a record written again under its key replaces the older one.

    Keys: Example (split, id), Arm (owner, kind, index), Cell (key; a score is never replaced by an error), Trial
    (order), PromptCall (key), Spent (role), Outcome (one), Tuning (number), Event (none), Settled (change; it takes
    the change off those that wait).

    Raises:
        LeaseLost: another worker owns the run now; nothing of the batch was written.
    """

    def commit(self, records: Sequence[Record]) -> None:
        """Write all of `records` in one transaction, or none."""

    def examples(self) -> Iterable[Example]: ...
    def arms(self) -> Iterable[Arm]: ...
    def cells(self) -> Iterable[Cell]: ...
    def trials(self) -> Iterable[Trial]: ...
    def prompt_calls(self) -> Iterable[PromptCall]: ...
    def spent(self) -> Iterable[Spent]: ...
    def tunings(self) -> Iterable[Tuning]: ...
    def outcome(self) -> Outcome | None: ...

    def changes(self) -> Iterable[Change]:
        """What a person asked of the arms and nobody has settled yet, in the order asked."""


class MemoryJournal:
    """A `Journal` in memory, with the same replacement rules; `events`, `commits`, `settled` serve tests.

    Attributes:
        asked: A person's changes that wait; tests put them there.
    """

    def __init__(self) -> None:
        self._rows: dict[type, dict[object, Record]] = {}
        self.events: list[Event] = []
        self.asked: list[Change] = []
        self.commits = 0

    def commit(self, records: Sequence[Record]) -> None:
        self.commits += 1
        for record in records:
            if isinstance(record, Event):
                self.events.append(record)
                continue
            if isinstance(record, Settled):
                self.asked = [change for change in self.asked if change.id != record.change]
            table = self._rows.setdefault(type(record), {})
            key = _key(record)
            old = table.get(key)
            if isinstance(old, Cell) and isinstance(record, Cell) and old.score is not None:
                continue
            table[key] = record

    def _all(self, kind: type) -> list[Record]:
        return list(self._rows.get(kind, {}).values())

    def examples(self) -> Iterable[Example]:
        return self._all(Example)  # type: ignore[return-value]

    def arms(self) -> Iterable[Arm]:
        return self._all(Arm)  # type: ignore[return-value]

    def cells(self) -> Iterable[Cell]:
        return self._all(Cell)  # type: ignore[return-value]

    def trials(self) -> Iterable[Trial]:
        return self._all(Trial)  # type: ignore[return-value]

    def prompt_calls(self) -> Iterable[PromptCall]:
        return self._all(PromptCall)  # type: ignore[return-value]

    def spent(self) -> Iterable[Spent]:
        return self._all(Spent)  # type: ignore[return-value]

    def tunings(self) -> Iterable[Tuning]:
        return self._all(Tuning)  # type: ignore[return-value]

    def outcome(self) -> Outcome | None:
        rows = self._all(Outcome)
        return rows[0] if rows else None  # type: ignore[return-value]

    def changes(self) -> Iterable[Change]:
        return list(self.asked)

    def settled(self) -> Iterable[Settled]:
        return self._all(Settled)  # type: ignore[return-value]


def _key(record: Record) -> object:
    match record:
        case Example():
            return (record.split, record.id)
        case Arm():
            return (record.owner, record.kind, record.index)
        case Cell():
            return record.key
        case Trial():
            return record.order
        case PromptCall():
            return record.key
        case Spent():
            return record.role
        case Tuning():
            return record.number
        case Settled():
            return record.change
        case _:
            return type(record)
