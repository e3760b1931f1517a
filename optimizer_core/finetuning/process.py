"""The process that trains one adapter: `mipro_studio.command("optimizer_core.finetuning.process", FOLDER)`.

Whoever starts it holds the job's lock and hands it down, so there is one process a job. SIGTERM ends it; the
checkpoint stays.
"""

from __future__ import annotations

import os
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from threadpoolctl import threadpool_limits

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.finetuning.batch import TokenRow
from mipro_studio.optimizer_core.finetuning.embedded_trainer import JobFolder
from mipro_studio.optimizer_core.finetuning.job import TrainingJob
from mipro_studio.optimizer_core.finetuning.lora import read_adapter, write_adapter
from mipro_studio.optimizer_core.finetuning.network import load_network
from mipro_studio.optimizer_core.finetuning.training import Step, train
from mipro_studio.optimizer_core.models.embedded.connection import connect
from mipro_studio.optimizer_core.models.embedded.hashes import expect, sha256
from mipro_studio.optimizer_core.models.embedded.repack import fast_copy
from mipro_studio.optimizer_core.models.embedded.tokens import Tokenizer
from mipro_studio.optimizer_core.models.embedded.weights import weights_path

__all__ = ["Reporter", "main", "worked"]

REPORT_S = 0.5
NICENESS = 5
"""The model server and the page go first."""


def main(arguments: list[str]) -> int:
    """Train the job in the folder."""
    with threadpool_limits(1):
        return worked(Path(arguments[0]), _train)


def worked(folder: Path, train: Callable[[JobFolder, TrainingJob], None]) -> int:
    """Have `train` train the job in the folder; a failure is written down in words. Returns the exit code."""
    os.umask(0o077)  # checkpoints and what is trained hold what was in the rows
    files = JobFolder(folder)
    files.write("process.json", {"pid": os.getpid()})
    signal.signal(signal.SIGTERM, lambda *_: os._exit(1))
    os.nice(NICENESS)
    try:
        train(files, files.load_job())
    except (StudioError, ValueError, OSError, MemoryError, RuntimeError, ImportError) as error:
        traceback.print_exc()
        files.write("failure.json", {"message": f"{type(error).__name__}: {error}"})
        return 1
    return 0


class Reporter:
    """Writes down how far a training is, now and then; a step that is done again is told again."""

    def __init__(self, files: JobFolder) -> None:
        self._files = files
        self._losses: list[float] = (files.read("progress.json") or {"losses": []})["losses"]
        self._reported = 0.0

    def __call__(self, step: Step) -> None:
        self._losses[step.number - 1 :] = [step.loss]
        if time.monotonic() - self._reported > REPORT_S or step.number == step.total:
            self._reported = time.monotonic()
            self._files.write("progress.json", {"losses": self._losses, "steps": step.total})


def _train(files: JobFolder, job: TrainingJob) -> None:
    weights = weights_path()
    rows = _token_rows(job)
    network = load_network(fast_copy(weights))
    begin = read_adapter(Path(job.begins_at)) if job.begins_at is not None else None
    pairs, losses = train(network, rows, job.settings, files.checkpoint, Reporter(files), begin)
    files.write("progress.json", {"losses": losses, "steps": len(losses)})
    write_adapter(files.adapter, pairs, job.settings.lora, job.base_model)
    expect(files.adapter, sha256(files.adapter))  # whoever loads it looks whether it still is what was trained
    files.write("result.json", {"adapter": files.adapter.name})
    files.checkpoint.unlink(missing_ok=True)


def _token_rows(job: TrainingJob) -> list[TokenRow]:
    connection = connect()
    try:
        tokenizer = Tokenizer(connection)
        return [TokenRow(tokenizer.prompt(row.messages), tokenizer.answer(row.answer)) for row in job.rows]
    finally:
        connection.close()
