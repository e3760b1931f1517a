"""What readers hand to pages and commands: frozen rows, already in the domain's words."""

from dataclasses import dataclass, replace

from mipro_studio.optimizer_core.types import (
    CellKey,
    Change,
    ErrorClass,
    Event,
    Json,
    Outcome,
    Role,
    Settled,
    Status,
    Trial,
    Usage,
)

__all__ = [
    "AskedChange",
    "CandidateMean",
    "CellError",
    "CellRow",
    "Deed",
    "LiveView",
    "Note",
    "RunSummary",
    "ScoreMatrix",
    "StoredEvent",
    "TrialTimes",
]

StoredEvent = tuple[int, str, Event]
"""Cursor, time and event."""

TrialTimes = tuple[str, str | None]
"""When a trial was asked for, and when its last cell was in."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run at a glance, from its row alone.

    `status` is LOST as soon as the lease is over, even if nobody has moved the run yet. `wall_s` sums the lives
    of all its workers. `trials_done` counts the numbers of finished trials (the baseline has none). `best_val`
    is the best mean of a finished full evaluation, the baseline included, and the winner's once there is an
    outcome. `phase_total` is 0 when not known. `origin` says which file a run came from that was not made here;
    such a run is only shown. None for the studio's own.
    """

    id: str
    name: str
    optimizer: str
    seed: int
    status: Status
    phase: str
    phase_done: int
    phase_total: int
    phase_note: str
    created_at: str
    started_at: str | None
    ended_at: str | None
    updated_at: str
    lives: int
    wall_s: float
    reason: str
    error: str
    trials_done: int
    trials_planned: int | None
    cells_ok: int
    cells_error: int
    baseline_val: float | None
    best_val: float | None
    baseline_test: float | None
    best_test: float | None
    n_val: int
    last_event_id: int
    origin: str | None


@dataclass(frozen=True, slots=True)
class AskedChange:
    """A change that a person asked for; `settled` is None while it waits for a worker."""

    change: Change
    sent_at: str
    settled: Settled | None


@dataclass(frozen=True, slots=True)
class Note:
    """A person's words about a run or a part of it; plain text. `by` is empty where nobody had a name."""

    body: str
    at: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Deed:
    """What a person did to a run, see `EventKind.PERSON`."""

    at: str
    name: str
    did: str
    about: str


@dataclass(frozen=True, slots=True)
class CellRow:
    """A cell without its prediction and trace; `seq` is the order of first writing."""

    seq: int
    key: CellKey
    score: float | None
    error: ErrorClass | None
    usage: Usage
    seconds_s: float
    at: str


@dataclass(frozen=True, slots=True)
class CellError:
    """One cell in error, for a list of what went wrong."""

    key: CellKey
    error: ErrorClass
    message: str
    at: str


@dataclass(frozen=True, slots=True)
class CandidateMean:
    """The cells of one candidate in one split, summed; errors are counted and enter no mean.

    `sum` and `sum_sq` are over the `n_ok` scores, so that intervals need no cells. `mean` is None without one.
    """

    candidate: str
    n_ok: int
    n_error: int
    mean: float | None
    sum: float
    sum_sq: float


@dataclass(frozen=True, slots=True)
class ScoreMatrix:
    """Scores by candidate (rows, in order of their first cell) and example (columns, in the split's order).

    `scores[i][j]` is the mean over rollouts with a score, None when there is none; `errors` names the pairs
    (i, j) that were tried and have no score, so that None elsewhere means never asked.
    """

    candidates: list[str]
    examples: list[str]
    scores: list[list[float | None]]
    errors: dict[tuple[int, int], ErrorClass]


@dataclass(frozen=True, slots=True)
class LiveView:
    """All that the live page draws in one refresh, as of one moment. `trials` come without example ids.

    `test_cells` are those of the sealed test; `importance` is the outcome's, empty before there is one.
    """

    summary: RunSummary
    trials: list[Trial]
    times: dict[int, TrialTimes]
    spending: dict[Role, Usage]
    errors: dict[str, int]
    test_cells: int
    events: list[StoredEvent]
    outcome: Outcome | None

    @property
    def importance(self) -> tuple[Json, ...]:
        return () if self.outcome is None else self.outcome.importance

    @property
    def total_spent(self) -> Usage:
        return sum(self.spending.values(), Usage())

    @property
    def capped_spent(self) -> Usage:
        """What caps are held against: all but the sealed test, at the prices that are known."""
        known = [
            replace(usage, cost_usd=usage.cost_usd or 0.0) for role, usage in self.spending.items() if not role.sealed
        ]
        return sum(known, Usage())
