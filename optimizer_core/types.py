"""The words of the domain as frozen records: what crosses every boundary of the studio.

Scores are floats as the metric gives them, higher is better. Seconds end in `_s`, dollars in `_usd`, counts of
tokens in `_tokens`, times (UTC, ISO 8601) in `_at`. A record holds only JSON values (str, int, float, bool,
None, dict, list), so storage writes it without knowing what it means.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

__all__ = [
    "ALWAYS_WRITTEN",
    "DEMOS",
    "FULL_KINDS",
    "INSTRUCTION",
    "LEGAL_MOVES",
    "PROGRAM",
    "SEED_ARM",
    "TEACHER",
    "WHOLE",
    "Arm",
    "Author",
    "Burn",
    "Candidate",
    "Cell",
    "CellKey",
    "Change",
    "ChangeKind",
    "Demo",
    "ErrorClass",
    "Event",
    "EventKind",
    "Example",
    "ExampleScore",
    "Json",
    "Outcome",
    "Phase",
    "PromptCall",
    "Record",
    "Role",
    "Settled",
    "Split",
    "Status",
    "TraceStep",
    "Trial",
    "TrialKind",
    "Tuning",
    "TuningState",
    "Usage",
]

Json = Mapping[str, Any]

SEED_ARM = 0
"""Index of what the program came with: the baseline has arm 0 of every kind."""

PROGRAM = ""
"""Owner of the arms that belong to the program as a whole and not to one of its predictors."""

WHOLE = -1
"""Where a predictor's place stands in a candidate: the program as a whole."""

INSTRUCTION = "instruction"
DEMOS = "demos"
ALWAYS_WRITTEN = ("i", "d")
"""Letters that every predictor's part of a candidate's id has; other kinds are written where they differ."""

_PAIRS = re.compile(r"([a-z])([0-9]+)")

TEACHER = "teacher"
"""Candidate id of the teacher's runs on training rows while bootstrapping."""


class Status(StrEnum):
    """A run's life. `LEGAL_MOVES` is the one table of moves; storage enforces it."""

    QUEUED = "queued"
    RUNNING = "running"
    AWAITING_REVIEW = "awaiting_review"
    PAUSED = "paused"
    STOPPED = "stopped"
    COMPLETED = "completed"
    FAILED = "failed"
    LOST = "lost"


# A run that does not work on has no process: pause, review, stop and crash are all left the same way, by
# queueing the run again for a new worker, which reads the score table and goes on.
LEGAL_MOVES: Mapping[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.RUNNING, Status.STOPPED, Status.FAILED, Status.LOST}),
    Status.RUNNING: frozenset(
        {
            Status.AWAITING_REVIEW,
            Status.PAUSED,
            Status.STOPPED,
            Status.COMPLETED,
            Status.FAILED,
            Status.LOST,
        }
    ),
    Status.AWAITING_REVIEW: frozenset({Status.QUEUED, Status.STOPPED}),
    Status.PAUSED: frozenset({Status.QUEUED, Status.STOPPED}),
    Status.STOPPED: frozenset({Status.QUEUED}),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.LOST: frozenset({Status.QUEUED, Status.STOPPED}),
    Status.COMPLETED: frozenset({Status.QUEUED}),  # only with more trials or a larger budget
}


class Role(StrEnum):
    """Who a model works for. `TEST` and `JUDGE_TEST` are task model and judge on the sealed test, counted apart."""

    TASK = "task"
    PROMPT = "prompt"
    TEACHER = "teacher"
    JUDGE = "judge"
    TEST = "test"
    JUDGE_TEST = "judge_test"

    @property
    def sealed(self) -> bool:
        """It works on the sealed test, under no cap."""
        return self in (Role.TEST, Role.JUDGE_TEST)


class Split(StrEnum):
    TRAIN = "train"
    VAL = "val"
    TEST = "test"


class Phase(StrEnum):
    """What a running run is doing; several overlap, the latest started is shown."""

    SETUP = "setup"
    BOOTSTRAP = "bootstrap"
    PROPOSE = "propose"
    TUNE = "tune"
    SEARCH = "search"
    TEST = "test"
    DONE = "done"


class Author(StrEnum):
    SEED = "seed"
    MODEL = "model"
    PERSON = "person"


class ChangeKind(StrEnum):
    """What a person may ask of a run's arms. `Change` says what each payload holds."""

    WRITE = "write"
    EDIT = "edit"
    REJECT = "reject"
    RESTORE = "restore"
    ASK = "ask"
    DEMOS = "demos"
    ROWS = "rows"


class TrialKind(StrEnum):
    """How cells were asked for. The baseline is a full evaluation and carries no trial number (number 0)."""

    BASELINE = "baseline"
    MINIBATCH = "minibatch"
    FULL = "full"


FULL_KINDS = (TrialKind.BASELINE, TrialKind.FULL)


class ErrorClass(StrEnum):
    """Why a cell has no score.

    The first four pass with time and are retried. AUTH and MODEL say that no call can succeed, and end the run where
    none does. The others belong to the cell: a filter's or the model's REFUSAL, a REQUEST that the endpoint does not
    take or that is too long (CONTEXT), a reply that is EMPTY, is none (MALFORMED), or cannot be parsed. CRASH: the
    process that ran the program ended in the middle of the row.
    """

    RATE_LIMIT = "rate_limit"
    SERVER = "server"
    CONNECTION = "connection"
    TIMEOUT = "timeout"
    AUTH = "auth"
    MODEL = "model"
    REFUSAL = "refusal"
    REQUEST = "request"
    CONTEXT = "context_window"
    EMPTY = "empty"
    MALFORMED = "malformed"
    PARSE = "parse"
    PROGRAM = "program"
    METRIC = "metric"
    CRASH = "crash"

    @property
    def transient(self) -> bool:
        return self in (ErrorClass.RATE_LIMIT, ErrorClass.SERVER, ErrorClass.CONNECTION, ErrorClass.TIMEOUT)


@dataclass(frozen=True, slots=True)
class Example:
    """One row of data. `id` is a content hash, so the same row has the same id in every split and run."""

    id: str
    split: Split
    position: int
    inputs: Json
    labels: Json


@dataclass(frozen=True, slots=True)
class Demo:
    """A few-shot example of one predictor. `augmented`: the outputs are a teacher's, not the labels."""

    fields: Json
    augmented: bool
    example_id: str


@dataclass(frozen=True, slots=True)
class Arm:
    """One value that a candidate may have for one kind of parameter of one owner.

    `owner` is a predictor's name, or `PROGRAM`. `kind` names a `ParameterKind` (`optimizer_core.parameters.kinds`),
    which says what the JSON of `content` means. `index` numbers the arms of (owner, kind); 0 is the seed's.

    `provenance` records how it came about: for a proposed one what the proposer was shown (switch by switch:
    requested, used, why not), the tip, temperature, raw request and reply, tokens. `active` is false for an arm that
    was rejected or repeats another, which stays in the record with `reason`.
    """

    owner: str
    kind: str
    index: int
    content: Json
    author: Author
    provenance: Json = field(default_factory=dict)
    active: bool = True
    reason: str = ""

    @property
    def text(self) -> str:
        """Of an arm whose content is one text: the text."""
        return str(self.content["text"])

    @property
    def demos(self) -> tuple[Demo, ...]:
        """Of an arm that holds demos: the demos, in the order in which the program shows them."""
        return tuple(Demo(*demo) for demo in self.content["demos"])


@dataclass(frozen=True, slots=True)
class Candidate:
    """Which arm of every kind each predictor, and the program as a whole, has: a map from (owner, kind) to an index.

    An owner is written as a predictor's place in the program, or `WHOLE`, and a kind as the first letter of its name,
    so that a candidate is its `id` and the other way round. What `arms` does not name has the seed's arm.

    Attributes:
        arms: (place, letter, index), in order, without those of index `SEED_ARM`; `of` makes them from a mapping.
    """

    n_predictors: int
    arms: tuple[tuple[int, str, int], ...] = ()

    @classmethod
    def of(cls, n_predictors: int, chosen: Mapping[tuple[int, str], int]) -> "Candidate":
        """The candidate with the arm `chosen[place, kind]`, and the seed's where nothing is said."""
        arms = ((place, kind[0], index) for (place, kind), index in chosen.items() if index != SEED_ARM)
        return cls(n_predictors, tuple(sorted(arms)))

    @classmethod
    def baseline(cls, n_predictors: int) -> "Candidate":
        return cls(n_predictors)

    def arm(self, place: int, kind: str) -> int:
        """Index of the arm of `kind` that the predictor at `place` has, or the program (`WHOLE`)."""
        letter = kind[0]
        return next((index for at, its, index in self.arms if at == place and its == letter), SEED_ARM)

    def having(self, chosen: Mapping[tuple[int, str], int]) -> "Candidate":
        """This candidate with other arms at (place, kind)."""
        own = {(place, letter): index for place, letter, index in self.arms}
        new = {(place, kind[0]): index for (place, kind), index in chosen.items()}
        return Candidate.of(self.n_predictors, own | new)

    @property
    def id(self) -> str:
        """`i1d0-i2d3t1-w1`: instruction, demos and whatever else differs from the seed, a part for each predictor.

        A last part without an instruction is the program's own, where an arm of it is not the seed's.
        """
        parts = [dict.fromkeys(ALWAYS_WRITTEN, SEED_ARM) for _ in range(self.n_predictors)] + [{}]
        for place, letter, index in self.arms:
            parts[place][letter] = index
        return "-".join("".join(f"{letter}{part[letter]}" for letter in part) for part in parts if part)

    @classmethod
    def parse(cls, candidate_id: str) -> "Candidate":
        """The inverse of `id`; ValueError for any other text."""
        parts = [dict(_PAIRS.findall(part)) for part in candidate_id.split("-")]
        whole = parts.pop() if ALWAYS_WRITTEN[0] not in parts[-1] else {}
        named = [*enumerate(parts), (WHOLE, whole)]
        found = cls.of(len(parts), {(at, letter): int(index) for at, part in named for letter, index in part.items()})
        if found.id != candidate_id or not parts:
            raise ValueError(f"{candidate_id!r} is no candidate")
        return found


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent. `cost_usd` is None when the price is not known, which is not the same as free.

    `estimated_tokens` are those among input and output that nobody reported: counted by a tokenizer of ours.
    """

    calls: int = 0
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    lm_s: float = 0.0
    estimated_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            self.calls + other.calls,
            self.retries + other.retries,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            (self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
            self.lm_s + other.lm_s,
            self.estimated_tokens + other.estimated_tokens,
        )


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One predictor call inside a program run, in call order. `feedback`: what the metric said about it, if asked."""

    predictor: str
    inputs: Json
    outputs: Json
    feedback: str = ""


@dataclass(frozen=True, slots=True)
class CellKey:
    """`candidate` is a `Candidate.id` or `TEACHER`; `rollout` tells repeated runs of one pair apart."""

    candidate: str
    split: Split
    example: str
    rollout: int = 0


@dataclass(frozen=True, slots=True)
class Cell:
    """One entry of the score table: a score, or an error with its class. Never both, never neither.

    `seconds_s` is the wall time of the program run, the metric included. `feedback` is what the metric said about the
    answer, if it said anything; `frames` are the lines of the person's code that an error of it went through, the
    innermost last. `by_predictor` is what of the usage each predictor's answered calls took.
    """

    key: CellKey
    score: float | None
    error: ErrorClass | None = None
    error_message: str = ""
    usage: Usage = Usage()
    seconds_s: float = 0.0
    prediction: Json = field(default_factory=dict)
    trace: tuple[TraceStep, ...] = ()
    feedback: str = ""
    frames: tuple[str, ...] = ()
    by_predictor: Mapping[str, Usage] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.score is None) == (self.error is None):
            raise ValueError("a cell has either a score or an error class")


@dataclass(frozen=True, slots=True)
class ExampleScore:
    """One candidate on one example, over its rollouts.

    `score` is the mean of the rollouts that have one; None when every rollout failed, and `error` then names the
    class. `tokens` (in and out, of all calls), `cost_usd` (None when not reported) and `seconds_s` are means over
    all rollouts.
    """

    score: float | None
    error: ErrorClass | None
    tokens: float
    cost_usd: float | None
    seconds_s: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One request for cells. `mean` is over the cells with a score; None while in flight or when none has one.

    `objective` is the mean of what the search maximizes, where that is not the score; else None.
    `program_runs` counts the new cells asked for up to and with this trial, in order of asking, so that it
    does not depend on which answer came first. `known`: how many of the trials before it, in order, its decision
    knew the results of; None where an older studio did not say. A row is written twice: when asked (`done` false)
    and when its last cell is in.
    """

    order: int
    number: int
    kind: TrialKind
    candidate: str
    examples: tuple[str, ...]
    done: bool = False
    mean: float | None = None
    n_ok: int = 0
    n_error: int = 0
    program_runs: int = 0
    known: int | None = None
    objective: float | None = None

    @property
    def value(self) -> float | None:
        """What the search was told: the mean of its objective."""
        return self.mean if self.objective is None else self.objective


@dataclass(frozen=True, slots=True)
class PromptCall:
    """One call of the prompt model, kept under a key that names its purpose, so a resumed run never repays it.

    `request` is the list of messages, `reply` the raw text, `outputs` the parsed fields. An `error` is kept
    for the provenance card and is tried again by a resumed run.
    """

    key: str
    request: tuple[Json, ...]
    reply: str
    outputs: Json
    usage: Usage = Usage()
    temperature: float | None = None
    error: str = ""


class TuningState(StrEnum):
    """ROWS: they are written down, nothing is sent. SENT: the job may be at the trainer. The others are ends: EMPTY
    means that no row was to be had, so nothing was sent; a FAILED one may be tried again under another job id."""

    ROWS = "rows"
    SENT = "sent"
    TUNED = "tuned"
    EMPTY = "empty"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        return self in (TuningState.TUNED, TuningState.EMPTY)


@dataclass(frozen=True, slots=True)
class Tuning:
    """One tuning of the task model's weights: what the arm of weights with this `number` is, or is to become.

    Attributes:
        number: From 1; 0 are the weights that the model came with.
        job: What the trainer knows it by, chosen and written down before anything is sent.
        program: Id of the candidate whose prompts the rows have.
        rows: {messages, answer, predictor, example}, as they are trained on.
        facts: How the rows came about, trainer, settings, and in the end losses, seconds, cost and what serves it.
    """

    number: int
    state: TuningState
    job: str
    program: str
    rows: tuple[Json, ...] = ()
    facts: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Burn:
    """Total spent by one role up to now, lost work of earlier lives included."""

    role: Role
    usage: Usage


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


@dataclass(frozen=True, slots=True)
class Event:
    """Something a person watching would want to know; `data` is the JSON payload of its kind.

    `kind` is an `EventKind`; in the record of a studio that knew others it may be any text.
    """

    kind: str
    data: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """What a person asked of the arms; `id` numbers the requests of all runs in the order they were made.

    Every payload has `predictor` (the owner of the arms), and `reason` where the person gave one. Beside these:
    write {text}; edit {index, text, keep}: a new arm from another, which stays in the search if `keep`; both of
    `kind`, an instruction where none is named; reject and restore {kind, index}; ask {hint, count}: instructions by
    the prompt model; demos {index, keep, pin, given, replace}: a new demo set of the demos at the positions `keep`
    of set `index`, the traces `pin` ([{example, call}], `call` being the place among the predictor's calls) and the
    demos `given` ([{field: value}]) that were made elsewhere, instead of it if `replace`.
    rows {tuning, drop, answers}: the rows of a tuning without those at the places `drop` ([0, 3]), and with other
    answers at some places ({"5": "text"}); no predictor.
    """

    id: int
    kind: ChangeKind
    payload: Json


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a change: in force from the trial of `order` on with the arms of these indices, or `refused`."""

    change: int
    order: int
    arms: tuple[int, ...] = ()
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the run came to: the winner on the evidence of its full evaluation, and the sealed test, scored once.

    Every estimate is a mapping {mean, low, high, level, n, n_error}; `paired` is {difference, low, high,
    level, n, won, lost, tied, p_value}; `corrected` is the winner's score with the winner's curse taken into account
    (`optimizer_core.analysis.winner`). `objective`, where it is not the score: {text, baseline_val, best_val,
    baseline_test, best_test, paired_val, paired_test, corrected, over_val, over_test}, the same estimates of what the
    search maximized, and how many of the winner's program runs were over a limit. `steps`, of an optimizer that
    goes in steps: {strategy, candidate, val, test, paired_test} of what each ended with, paired with the baseline; to
    be looked at, not chosen from. Parts not reached yet are None.
    """

    winner: str | None
    reason: str
    baseline_val: Json | None = None
    best_val: Json | None = None
    baseline_test: Json | None = None
    best_test: Json | None = None
    paired_val: Json | None = None
    paired_test: Json | None = None
    importance: tuple[Json, ...] = ()
    corrected: Json | None = None
    objective: Json | None = None
    steps: tuple[Json, ...] = ()


Record = Example | Arm | Cell | Trial | PromptCall | Burn | Event | Settled | Outcome | Tuning
"""What a run writes. Storage keeps each kind in its own table, keyed so that writing twice changes nothing."""
