"""What the JSON in a store must look like: read by pages and reports, which would raise on anything else.

Used on what a stranger's file brings along. Fields that are not named here may be anything that is JSON.
"""

from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any, Self, get_origin

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from mipro_studio.optimizer_core.types import EventKind

__all__ = [
    "ARMS",
    "EVENTS",
    "MAPPING",
    "Outcome",
    "Plan",
    "PromptCall",
    "Provenance",
    "Receipt",
    "Row",
    "Settled",
    "Trace",
    "TrialExamples",
    "TuningRows",
    "checked",
]

Number = Annotated[float, Field(ge=-1e15, le=1e15)]
Count = Annotated[int, Field(ge=0, le=10**15)]
Span = Count | Number | list[Count] | list[Number]


class _Shape(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class _Estimate(_Shape):
    mean: Number | None
    low: Number | None = None
    high: Number | None = None
    level: Number | None = None
    n: Count | None = None
    n_error: Count = 0


class _Paired(_Shape):
    difference: Number | None
    low: Number | None = None
    high: Number | None = None
    level: Number | None = None
    p_value: Number | None = None
    n: Count
    won: Count
    lost: Count
    tied: Count


class _Corrected(_Estimate):
    observed: Number
    optimism: Number
    n_candidates: Count
    n_cells: Count
    difference: Number | None = None
    difference_low: Number | None = None
    difference_high: Number | None = None
    chance_better: Number | None = None


class _Importance(_Shape):
    parameter: str = ""
    predictor: str = ""
    kind: str = ""
    spread: Number | None = None
    low: Number = 0.0
    high: Number = 0.0
    null: Number | None = None
    real: bool = True
    n_candidates: Count | None = None
    n_cells: Count | None = None

    @model_validator(mode="after")
    def _stands_on_cells(self) -> Self:
        if self.spread is not None and (self.n_candidates is None or self.n_cells is None):
            raise ValueError("a spread without the cells that it stands on")
        return self


class _Objective(_Shape):
    text: str
    baseline_val: _Estimate | None = None
    best_val: _Estimate | None = None
    baseline_test: _Estimate | None = None
    best_test: _Estimate | None = None
    paired_val: _Paired | None = None
    paired_test: _Paired | None = None
    corrected: _Corrected | None = None
    over_val: Count | None = None
    over_test: Count | None = None


class Outcome(_Shape):
    winner: str | None
    reason: str
    baseline_val: _Estimate | None = None
    best_val: _Estimate | None = None
    baseline_test: _Estimate | None = None
    best_test: _Estimate | None = None
    paired_val: _Paired | None = None
    paired_test: _Paired | None = None
    importance: list[_Importance] = []
    corrected: _Corrected | None = None
    objective: _Objective | None = None


class Plan(_Shape):
    trials: Count | None = None
    program_runs: dict[str, Span | None] = {}
    lm_calls: dict[str, Span] = {}
    tokens: dict[str, Span] | None = None
    usd: Span | None = None
    notes: list[str] = []


class _SettingRow(_Shape):
    setting: str
    why: str | None = ""


class Receipt(_Shape):
    settings: list[_SettingRow] = []
    asked: dict[str, Any] = {}
    takes: list[str] = []
    drops: bool = True
    splits: dict[str, Count] = {}
    versions: dict[str, str] = {}


class _Switch(_Shape):
    switch: str
    requested: bool
    used: bool
    why: str | None


class _Tokens(_Shape):
    input: Count | None = None
    output: Count | None = None


class _Past(_Shape):
    text: str
    score: Number | None


class Provenance(_Shape):
    """How an instruction or a demo set came about."""

    call: str = ""
    tip: str = "none"
    temperature: Number | None = None
    demos_shown: list[str] = []
    history_shown: list[_Past] = []
    switches: list[_Switch] = []
    tokens: _Tokens | None = None
    values: dict[str, Any] = {}
    round: Count = 0
    change: Count = 0
    edited_from: Count | None = None
    pinned: list[str] = []


class _Phase(_Shape):
    phase: str = ""
    done: Count | None = 0
    total: Count | None = 0
    note: str | None = ""


class _Text(_Shape):
    text: str


class _Person(_Shape):
    name: str
    did: str
    about: str = ""


class _Moved(_Shape):
    reason: str | None = ""


class _Ended(_Shape):
    status: str
    reason: str = ""
    capped: bool = False
    given_up: bool = False
    cells: Count = 0


class _Fate(_Shape):
    example: str
    score: Number | None = None
    kept: bool = False
    sets: list[Count] = []
    reason: str = ""


class _Traces(_Shape):
    rows: Count | None = None
    passed: Count | None = None
    threshold: Number = 0.0
    traces: list[_Fate] = []


class _Changed(_Shape):
    arms: list[Count] | None = []
    refused: str | None = ""


class _Belief(_Shape):
    predictor: str
    kind: str
    arm: Count
    mean: Number | None
    low: Number | None
    high: Number | None
    n_candidates: Count
    n_cells: Count


class _Beliefs(_Shape):
    surrogate: str
    level: Number
    n_candidates: Count
    n_cells: Count
    arms: list[_Belief]


class _ImportanceTold(_Shape):
    rows: list[_Importance]


class _PeerSpent(_Shape):
    program_runs: Count
    lm_calls: Count


class _Losses(_Shape):
    number: Count
    steps: Count | None = None
    losses: list[Number | None]


class _Prefix(_Shape):
    strategy: str
    candidate: str


class _Prefixes(_Shape):
    prefixes: list[_Prefix]


class _Message(_Shape):
    role: str


class _Limit(_Shape):
    at_once: Count
    most: Count
    a_second: Number | None


class _TextArm(_Shape):
    text: str


class _DemosArm(_Shape):
    made: str
    demos: list[tuple[dict[str, Any], bool, str]]


ARMS: Mapping[str, Any] = {"instruction": _TextArm, "demos": _DemosArm}
"""The content of an arm by its kind; of any other kind it is a mapping."""

MAPPING = dict[str, Any]
Row = tuple[dict[str, Any], dict[str, Any]]
TrialExamples = list[str]
TuningRows = list[dict[str, Any]]
_Usage = (
    tuple[Count, Count, Count, Count, Number | None, Number]
    | tuple[Count, Count, Count, Count, Number | None, Number, Count]
)
PromptCall = tuple[list[_Message], str, dict[str, Any], _Usage, Number | None, str]
_Step = tuple[str, dict[str, Any], dict[str, Any]] | tuple[str, dict[str, Any], dict[str, Any], str]
_Run = tuple[dict[str, Any], list[_Step]]
_Told = tuple[dict[str, Any], list[_Step], str] | tuple[dict[str, Any], list[_Step], str, list[str]]
Trace = _Run | _Told | tuple[dict[str, Any], list[_Step], str, list[str], dict[str, _Usage]]
Settled = tuple[Count, list[Count], str]

EVENTS: Mapping[str, Any] = {
    EventKind.PHASE: _Phase,
    EventKind.PROGRESS: _Phase,
    EventKind.NOTE: _Text,
    EventKind.WARNING: _Text,
    EventKind.STATUS: _Moved,
    EventKind.ENDED: _Ended,
    EventKind.TRACES: _Traces,
    EventKind.CHANGE: _Changed,
    EventKind.BELIEFS: _Beliefs,
    EventKind.IMPORTANCE: _ImportanceTold,
    EventKind.SPENDING: dict[str, list[Number | None]],
    EventKind.PEER_SPENT: _PeerSpent,
    EventKind.LOSSES: _Losses,
    EventKind.PREFIXES: _Prefixes,
    EventKind.LIMITS: dict[str, _Limit],
    EventKind.PERSON: _Person,
}
"""The data of an event by its kind; of any other kind it is a mapping."""


def checked(shape: Any, text: str) -> None:
    """Hold a JSON text against `shape`.

    Raises:
        ValueError: it is of another shape, or no JSON.
    """
    _adapter(shape).validate_json(text, strict=True)


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    model = get_origin(shape) is None and issubclass(shape, BaseModel)
    return TypeAdapter(shape, config=None if model else ConfigDict(allow_inf_nan=False))
