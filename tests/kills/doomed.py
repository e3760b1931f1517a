"""A worker that kills itself at a moment: `python -m tests.kills.doomed STORE RUN [MOMENT]`."""

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from mipro_studio import worker
from mipro_studio.control.worker_children import worker_name
from mipro_studio.optimizer_core.finetuning import tuner
from mipro_studio.optimizer_core.finetuning.embedded_trainer import EmbeddedTrainer, JobFolder
from mipro_studio.optimizer_core.types import Record
from mipro_studio.storage import SqliteJournal, tunings_folder
from tests.inside import _NoMirror
from tests.kills.moments import COMMITS, FILES, Commit

__all__ = ["POLL_S"]

POLL_S = 0.02
"""Between two questions to a trainer, in every life of these runs."""
LONGEST_S = 240.0


def _die(jobs: Path, trainer: bool) -> None:
    """SIGKILL to the training process, if it is to go too, and to this one."""
    for folder in jobs.iterdir() if trainer and jobs.is_dir() else ():
        held = JobFolder(folder).read("process.json")
        with suppress(ProcessLookupError):  # it is done
            if held is not None:
                os.kill(held["pid"], signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)


def _at_commit(moment: Commit, jobs: Path) -> None:
    commit, seen = SqliteJournal.commit, 0

    def killing(journal: SqliteJournal, records: Sequence[Record]) -> None:
        nonlocal seen
        seen += sum(map(moment.matches, records))
        if moment.before and seen >= moment.nth:
            _die(jobs, moment.trainer)
        commit(journal, records)
        if seen >= moment.nth:
            _die(jobs, moment.trainer)

    SqliteJournal.commit = killing  # type: ignore[method-assign]


def _at_file(name: str, jobs: Path) -> None:
    ask = EmbeddedTrainer.status

    def killing(trainer: EmbeddedTrainer, job: Any) -> Any:
        told = ask(trainer, job)
        until = time.monotonic() + LONGEST_S
        while not (jobs / job.id / name).exists() and not (jobs / job.id / "result.json").exists():
            assert time.monotonic() < until, f"there never was a {name}"
            time.sleep(0.001)
        _die(jobs, True)
        return told

    EmbeddedTrainer.status = killing  # type: ignore[method-assign]


def main(store: str, run_id: str, moment: str = "") -> int:
    """Work on the run until the moment comes; without one until the run ends or somebody else kills this process."""
    jobs = tunings_folder(Path(store), run_id)
    if moment in COMMITS:
        _at_commit(COMMITS[moment], jobs)
    elif moment:
        _at_file(FILES[moment], jobs)
    worker.Mirror = _NoMirror  # type: ignore[misc, assignment]
    tuner.POLL_S = tuner.LONGEST_POLL_S = POLL_S
    return worker.live(Path(store), run_id, worker_name())


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
