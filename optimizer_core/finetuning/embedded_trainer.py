"""The trainer for the embedded model: one detached process a job, which goes on from its checkpoint.

A job has a folder of its own:

* `job.json`: what is to be trained, written first;
* `alive.lock`: locked for as long as the process lives; the kernel frees it however that ends;
* `progress.json`, `checkpoint.npz`: how far it is;
* `adapter.gguf` and `result.json`, or `failure.json`, or `cancelled`: the end.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mipro_studio import command
from mipro_studio.optimizer_core.environment import helper_environment
from mipro_studio.optimizer_core.files import open_log
from mipro_studio.optimizer_core.finetuning.job import (
    JobPhase,
    JobStatus,
    TrainerRefused,
    TrainerUnavailable,
    TrainingJob,
    TrainingRow,
)
from mipro_studio.optimizer_core.finetuning.training import TrainingSettings
from mipro_studio.optimizer_core.models.embedded.runtime import open_lock, try_lock

__all__ = ["EmbeddedTrainer", "JobFolder"]

_ID = re.compile(r"[A-Za-z0-9-]{1,40}")
MOST_STARTS = 5
"""Processes that a job may use up: one that is killed over and over (too little memory, say) ends as a failure."""


class JobFolder:
    """The files of one job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkpoint = folder / "checkpoint.npz"
        self.adapter = folder / "adapter.gguf"
        self.log = folder / "log.txt"
        self.lock = folder / "alive.lock"

    def write(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file, whole or not at all, for its owner alone."""
        part = self.folder / f".{name}.{os.getpid()}.part"
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as out:
            json.dump(value, out)
            out.flush()
            os.fsync(out.fileno())
        part.replace(self.folder / name)

    def read(self, name: str) -> Any:
        """The JSON file's value; None when it is not there."""
        try:
            return json.loads((self.folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def save_job(self, job: TrainingJob) -> None:
        self.write("job.json", {**asdict(job), "settings": job.settings.model_dump(mode="json")})

    def load_job(self) -> TrainingJob:
        told = self.read("job.json")
        rows = tuple(TrainingRow(**{**row, "messages": tuple(row["messages"])}) for row in told["rows"])
        settings = TrainingSettings.model_validate(told["settings"])
        return TrainingJob(told["id"], told["base_model"], rows, settings, told.get("begins_at"))


class EmbeddedTrainer:
    """See `Trainer`.

    Args:
        folder: Where the jobs' folders stand, beside the store.

    Attributes:
        process: The module whose `main` trains the job in a folder; see `process`.
    """

    process = "optimizer_core.finetuning.process"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def submit(self, job: TrainingJob) -> None:
        if not _ID.fullmatch(job.id):
            raise TrainerRefused(f"A job cannot be called {job.id!r}.", "Use letters, digits and dashes, 40 at most.")
        if not job.rows:
            raise TrainerRefused("There are no rows to train on.", "Lower the threshold, or use a larger teacher.")
        if job.begins_at is not None and not self._earlier(job, job.begins_at).is_file():
            raise TrainerRefused(
                f"What is to be trained further, {job.begins_at}, is not there any more.",
                "Bring its folder back, or start a new run.",
            )
        files = self._files(job)
        try:
            files.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if files.read("job.json") is None:
                files.save_job(job)
            self.status(job)
        except OSError as error:
            raise TrainerUnavailable(f"The training could not be started: {error}.") from error

    def status(self, job: TrainingJob) -> JobStatus:
        """How far it is. A process that has died is replaced by one that goes on from the checkpoint."""
        status = self._told(job)
        if status.phase in (JobPhase.QUEUED, JobPhase.RUNNING):
            self._start_unless_alive(self._files(job))
        return status

    def _told(self, job: TrainingJob) -> JobStatus:
        files = self._files(job)
        if files.read("job.json") is None:
            return JobStatus(JobPhase.UNSENT)
        progress = files.read("progress.json") or {"losses": [], "steps": job.settings.steps(len(job.rows))}
        told = {"step": len(progress["losses"]), "steps": progress["steps"], "losses": tuple(progress["losses"])}
        if (result := files.read("result.json")) is not None:
            return JobStatus(JobPhase.SUCCEEDED, **told, tuned=str(files.folder / result["adapter"]), cost_usd=0.0)
        if (files.folder / "cancelled").exists():
            return JobStatus(JobPhase.CANCELLED, **told)
        if (failure := files.read("failure.json")) is not None:
            return JobStatus(JobPhase.FAILED, **told, message=failure["message"])
        return JobStatus(JobPhase.RUNNING if progress["losses"] else JobPhase.QUEUED, **told)

    def cancel(self, job: TrainingJob) -> None:
        files = self._files(job)
        if self._told(job).phase.over:
            return
        files.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        (files.folder / "cancelled").touch(mode=0o600)
        held = files.read("process.json")
        if held is not None and self._alive(files):
            with suppress(ProcessLookupError):
                os.kill(held["pid"], signal.SIGTERM)

    def _earlier(self, job: TrainingJob, begins_at: str) -> Path:
        """A file that is there as long as what an earlier job came to is."""
        return Path(begins_at)

    def _environment(self) -> dict[str, str]:
        return {**helper_environment(), "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

    def _files(self, job: TrainingJob) -> JobFolder:
        return JobFolder(self._folder / job.id)

    @staticmethod
    def _alive(files: JobFolder) -> bool:
        with open_lock(files.lock) as lock:
            return not try_lock(lock)

    def _start_unless_alive(self, files: JobFolder) -> None:
        with open_lock(files.lock) as lock:
            if not try_lock(lock):
                return
            if self._given_up(files):
                return
            with open_log(files.log) as log:
                subprocess.Popen(
                    command(self.process, str(files.folder)),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=[lock.fileno()],  # the process holds the lock from its first moment to its last
                    env=self._environment(),
                )

    @staticmethod
    def _given_up(files: JobFolder) -> bool:
        """Whether the job is over, be it because too many processes died of it."""
        if any((files.folder / name).exists() for name in ("result.json", "failure.json", "cancelled")):
            return True
        started = (files.read("starts.json") or {"count": 0})["count"] + 1
        if started > MOST_STARTS:
            files.write("failure.json", {"message": f"The training process ended {MOST_STARTS} times; see its log."})
            return True
        files.write("starts.json", {"count": started})
        return False
