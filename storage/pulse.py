"""The sign of life of a worker that cannot write to its store: that it lives, and what it waits for.

A store that is locked, or on a full disk, takes no sign of life. So each worker has a small file beside it, whose
room it takes when it begins; writing into that again needs no more room, and no lock of the store's.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.files import PRIVATE_FILE, private_folder
from mipro_studio.storage.clock import Moment
from mipro_studio.storage.paths import pulse_path

__all__ = ["Pulse", "PulseFile", "felt"]

FRESH_S = 6.0
_LENGTH = 1024


@dataclass(frozen=True, slots=True)
class Pulse:
    """`says` is a sentence: what the worker waits for."""

    worker_id: str
    boot: str
    steady_s: float
    says: str


class PulseFile:
    """The file of one worker's life."""

    def __init__(self, store: Path, run_id: str) -> None:
        self._path = pulse_path(store, run_id)
        self._file: int | None = None
        self._empty = True
        with suppress(OSError):  # no room for it: then the worker is taken for lost while it waits
            private_folder(self._path.parent)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
            self._put({})
            os.fsync(self._file)  # the room is really taken

    def beat(self, worker_id: str, now: Moment, says: str) -> None:
        """Say that the worker lives and what it waits for; nothing, once it waits no more."""
        if says or not self._empty:
            self._put(asdict(Pulse(worker_id, now.boot, now.steady_s, says[:400])) if says else {})
            self._empty = not says

    def _put(self, values: Mapping[str, object]) -> None:
        if self._file is not None:
            with suppress(OSError):
                os.pwrite(self._file, json.dumps(values).encode()[:_LENGTH].ljust(_LENGTH), 0)

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._path.unlink(missing_ok=True)


def felt(store: Path, run_id: str, worker_id: str | None, now: Moment) -> str:
    """What the run's worker waits for, if it says so just now; empty otherwise."""
    try:
        pulse = Pulse(**json.loads(pulse_path(store, run_id).read_bytes()))
        fresh = 0 <= now.steady_s - pulse.steady_s < FRESH_S
        return str(pulse.says) if fresh and (pulse.worker_id, pulse.boot) == (worker_id, now.boot) else ""
    except (OSError, StudioError, ValueError, TypeError):
        return ""
