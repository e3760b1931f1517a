"""The score table: examples, the cells that programs' runs on them fill, and what is read off them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mipro_studio.optimizer_core.types.spending import Usage
from mipro_studio.optimizer_core.types.values import Json

__all__ = ["Cell", "CellKey", "ErrorClass", "Example", "ExampleScore", "Split", "TraceStep"]


class Split(StrEnum):
    TRAIN = "train"
    VAL = "val"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Example:
    """One row of data. `id` is a content hash, so the same row has the same id in every split and run."""

    id: str
    split: Split
    position: int
    inputs: Json
    labels: Json


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
    usage: Usage = field(default_factory=Usage)
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
