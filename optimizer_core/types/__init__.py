"""The words of the domain as frozen records: what crosses every boundary of the studio.

Scores are floats as the metric gives them, higher is better. Seconds end in `_s`, dollars in `_usd`, counts of
tokens in `_tokens`, times (UTC, ISO 8601) in `_at`. A record holds only JSON values (str, int, float, bool,
None, dict, list), so storage writes it without knowing what it means.
"""

from mipro_studio.optimizer_core.types.arms import DEMOS, INSTRUCTION, PROGRAM, SEED_ARM, Arm, Author, Demo
from mipro_studio.optimizer_core.types.candidates import ALWAYS_WRITTEN, TEACHER, WHOLE, Candidate
from mipro_studio.optimizer_core.types.cells import Cell, CellKey, ErrorClass, Example, ExampleScore, Split, TraceStep
from mipro_studio.optimizer_core.types.changes import Change, ChangeKind, Settled
from mipro_studio.optimizer_core.types.events import Event, EventKind
from mipro_studio.optimizer_core.types.lifecycle import LEGAL_MOVES, Phase, Status
from mipro_studio.optimizer_core.types.outcome import Outcome
from mipro_studio.optimizer_core.types.prompt_calls import PromptCall
from mipro_studio.optimizer_core.types.records import Record
from mipro_studio.optimizer_core.types.spending import Role, Spent, Usage
from mipro_studio.optimizer_core.types.trials import FULL_KINDS, Trial, TrialKind
from mipro_studio.optimizer_core.types.tuning import Tuning, TuningState
from mipro_studio.optimizer_core.types.values import Json

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
    "Spent",
    "Split",
    "Status",
    "TraceStep",
    "Trial",
    "TrialKind",
    "Tuning",
    "TuningState",
    "Usage",
]
