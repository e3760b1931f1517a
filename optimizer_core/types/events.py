"""What a person watching a run is told."""

from dataclasses import dataclass, field
from enum import StrEnum

from mipro_studio.optimizer_core.types.values import Json

__all__ = ["Event", "EventKind"]


class EventKind(StrEnum):
    """What can happen in a run. Each has a writer and a reader (`tests/test_events.py`); the payloads:

    STATUS {from, to, reason}: a move of the run's status.
    ENDED {status, reason, capped}: how a life of the run ended.
    PHASE {phase, done, total, note}: a phase begins.
    PROGRESS, the same: too frequent to keep, it only moves the columns of the run's row.
    NOTE, WARNING {text}.
    TRACES {rows, passed, threshold, traces}: what bootstrapping ran.
    CHANGE {what, predictor, arms, refused, order}: what became of a person's change.
    BELIEFS {trial, ...}, IMPORTANCE {trial, rows}: see `analysis.estimates` and `analysis.importance`.
    SPENDING {role: [calls, input tokens, output tokens, dollars]}: totals so far, now and then.
    PEER_SPENT {program_runs, lm_calls}: what another optimizer took in a benchmark.
    LOSSES {number, from, losses, steps}: new losses of tuning `number`, the first of them that of step `from`.
    LIMITS {endpoint: {at_once, most, a_second}}: calls that endpoints are given, now and the most; `a_second` is None
        where nothing was refused.
    PREFIXES {prefixes: [{strategy, candidate}]}: what each step of a strategy ended with.
    PERSON {name, did, about}: who created a run, asked something of it (`did` is the command's kind) or wrote a note
        `about` a part of it. Nothing is written where nobody has a name.
    """

    STATUS = "status"
    ENDED = "ended"
    PHASE = "phase"
    PROGRESS = "progress"
    NOTE = "note"
    WARNING = "warning"
    TRACES = "traces"
    CHANGE = "change"
    BELIEFS = "beliefs"
    IMPORTANCE = "importance"
    SPENDING = "spending"
    PEER_SPENT = "peer_spent"
    LOSSES = "losses"
    PREFIXES = "prefixes"
    LIMITS = "limits"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person watching would want to know; `data` is the JSON payload of its kind.

    `kind` is an `EventKind`; in the record of a studio that knew others it may be any text.
    """

    kind: str
    data: Json = field(default_factory=dict)
