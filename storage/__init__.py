"""SQLite through sqlite-utils: the store a worker writes, the reader pages look through, the mirrored study."""

from storage.journal import SqliteJournal
from storage.paths import default_store, log_path, study_path
from storage.rows import (
    CandidateMean,
    CellError,
    CellRow,
    LiveView,
    RunSummary,
    ScoreMatrix,
    StoredEvent,
    TrialTimes,
)
from storage.store import Command, Store
from storage.study import StudyMirror
from storage.views import Reader

__all__ = [
    "CandidateMean",
    "CellError",
    "CellRow",
    "Command",
    "LiveView",
    "Reader",
    "RunSummary",
    "ScoreMatrix",
    "SqliteJournal",
    "Store",
    "StoredEvent",
    "StudyMirror",
    "TrialTimes",
    "default_store",
    "log_path",
    "study_path",
]
