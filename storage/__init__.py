"""SQLite through sqlite-utils: the store a worker writes, the reader pages look through, the mirrored study."""

from storage.endpoints import Endpoint, endpoints, forget_endpoint, save_endpoint
from storage.journal import SqliteJournal
from storage.packing import pack, unpack
from storage.paths import default_store, log_path, study_path
from storage.rows import (
    AskedChange,
    CandidateMean,
    CellError,
    CellRow,
    LiveView,
    Note,
    RunSummary,
    ScoreMatrix,
    StoredEvent,
    TrialTimes,
)
from storage.store import Command, Store
from storage.study import StudyMirror
from storage.views import Reader

__all__ = [
    "AskedChange",
    "CandidateMean",
    "CellError",
    "CellRow",
    "Command",
    "Endpoint",
    "LiveView",
    "Note",
    "Reader",
    "RunSummary",
    "ScoreMatrix",
    "SqliteJournal",
    "Store",
    "StoredEvent",
    "StudyMirror",
    "TrialTimes",
    "default_store",
    "endpoints",
    "forget_endpoint",
    "log_path",
    "pack",
    "save_endpoint",
    "study_path",
    "unpack",
]
