"""SQLite through sqlite-utils: the store a worker writes, the reader pages look through, the mirrored study."""

import mipro_studio.storage.quick_start  # isort: skip # noqa: F401 - before anything imports sqlite-utils
from importlib import import_module
from typing import TYPE_CHECKING, Any

from mipro_studio.storage.beside.endpoints import Endpoint, endpoints, forget_endpoint, save_endpoint
from mipro_studio.storage.beside.people import named_by
from mipro_studio.storage.beside.study import StudyMirror
from mipro_studio.storage.clock import present
from mipro_studio.storage.connection import LockHolder, StoreUnavailable, lock_holder
from mipro_studio.storage.journal import SqliteJournal
from mipro_studio.storage.paths import default_store, log_path, store_at, study_path, study_url, tunings_folder
from mipro_studio.storage.pulse import PulseFile
from mipro_studio.storage.rows import (
    AskedChange,
    CandidateMean,
    CellError,
    CellRow,
    Deed,
    LiveView,
    Note,
    RunSummary,
    ScoreMatrix,
    StoredEvent,
    TrialTimes,
)
from mipro_studio.storage.store import Command, Store
from mipro_studio.storage.views.reader import Reader

if TYPE_CHECKING:
    from mipro_studio.storage.checking import Finding, check_store
    from mipro_studio.storage.replay.packing import pack, unpack

__all__ = [
    "AskedChange",
    "CandidateMean",
    "CellError",
    "CellRow",
    "Command",
    "Deed",
    "Endpoint",
    "Finding",
    "LiveView",
    "LockHolder",
    "Note",
    "PulseFile",
    "Reader",
    "RunSummary",
    "ScoreMatrix",
    "SqliteJournal",
    "Store",
    "StoreUnavailable",
    "StoredEvent",
    "StudyMirror",
    "TrialTimes",
    "check_store",
    "default_store",
    "endpoints",
    "forget_endpoint",
    "lock_holder",
    "log_path",
    "named_by",
    "pack",
    "present",
    "save_endpoint",
    "store_at",
    "study_path",
    "study_url",
    "tunings_folder",
    "unpack",
]

_WHEN_ASKED_FOR = {
    "Finding": "checking",
    "check_store": "checking",
    "pack": "replay.packing",
    "unpack": "replay.packing",
}
"""What a page that is opened does not need, and takes a twentieth of a second to import."""


def __getattr__(name: str) -> Any:
    if name not in _WHEN_ASKED_FOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHEN_ASKED_FOR[name]}"), name)
