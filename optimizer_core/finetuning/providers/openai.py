"""Finetuning by OpenAI, and by whoever speaks its API: files, `POST /fine_tuning/jobs`, polling by id.

The provider gives ids of its own. What is written down before anything is sent is our job id, which goes along as the
job's metadata and as the name of the file: a job whose answer was lost is found again by it and not paid for twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mipro_studio.optimizer_core.finetuning.job import JobPhase, JobStatus, TrainerUnavailable, TrainingJob
from mipro_studio.optimizer_core.finetuning.providers.http_api import Api, chat_lines

__all__ = ["OPENAI_URL", "OpenAITrainer"]

OPENAI_URL: Final = "https://api.openai.com/v1"
JOB_KEY: Final = "studio_job"
"""Of the metadata that holds our id of the job."""
SUFFIX_CHARS: Final = 18
"""Most characters of a suffix that every model takes."""
PAGE: Final = 100
MOST_PAGES: Final = 1000

_PHASES: Final[Mapping[str, JobPhase]] = {
    "validating_files": JobPhase.QUEUED,
    "queued": JobPhase.QUEUED,
    "pausing": JobPhase.RUNNING,
    "paused": JobPhase.QUEUED,
    "running": JobPhase.RUNNING,
    "succeeded": JobPhase.SUCCEEDED,
    "failed": JobPhase.FAILED,
    "cancelled": JobPhase.CANCELLED,
}


class OpenAITrainer:
    """See `Trainer`. It has settings of its own for what is tuned; ours of the adapter mean nothing there."""

    def __init__(self, key: str, base_url: str = OPENAI_URL) -> None:
        self._api = Api(base_url, key, "OpenAI")

    def submit(self, job: TrainingJob) -> None:
        if self._found(job) is not None:
            return
        settings = job.settings
        request = {
            "training_file": self._uploaded(job),
            "model": job.begins_at or job.base_model,
            "method": {
                "type": "supervised",
                "supervised": {"hyperparameters": {"n_epochs": settings.epochs, "batch_size": settings.batch_size}},
            },
            "seed": settings.seed % 2**31,
            "suffix": job.id[-SUFFIX_CHARS:],
            "metadata": {JOB_KEY: job.id},
        }
        self._api.post("/fine_tuning/jobs", request)

    def _uploaded(self, job: TrainingJob) -> str:
        """The id of the file with the job's rows, sent unless it was before."""
        name = f"{job.id}.jsonl"
        for file in self._listed("/files", purpose="fine-tune"):
            if file.get("filename") == name and file.get("status") != "error":
                return str(_value(file, "id"))
        rows = {"file": (name, chat_lines(job), "application/jsonl")}
        return str(_value(self._api.post("/files", files=rows, data={"purpose": "fine-tune"}), "id"))

    def _found(self, job: TrainingJob) -> Mapping[str, Any] | None:
        """The job by its metadata, which is looked at here too: a server that knows no such filter lists them all."""
        listed = self._listed("/fine_tuning/jobs", **{f"metadata[{JOB_KEY}]": job.id})
        return next((one for one in listed if (one.get("metadata") or {}).get(JOB_KEY) == job.id), None)

    def _listed(self, path: str, **filters: str) -> Iterator[Mapping[str, Any]]:
        """Everything in a list of theirs, page by page."""
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            page = self._api.get(path, limit=str(PAGE), **filters, **after) or {}
            listed = page.get("data") or ()
            yield from listed
            if not listed or not page.get("has_more"):
                return
            after = {"after": str(_value(listed[-1], "id"))}
        raise TrainerUnavailable("OpenAI's list does not end.")

    def status(self, job: TrainingJob) -> JobStatus:
        found = self._found(job)
        if found is None:
            return JobStatus(JobPhase.UNSENT)
        told = self._api.get(f"/fine_tuning/jobs/{_value(found, 'id')}") or found
        phase = _PHASES.get(str(_value(told, "status")))
        if phase is None:
            raise TrainerUnavailable(f"OpenAI calls the job {told['status']!r}, which is not known here.")
        return JobStatus(
            phase,
            tuned=str(_value(told, "fine_tuned_model")) if phase is JobPhase.SUCCEEDED else None,
            message=str((told.get("error") or {}).get("message") or "OpenAI gave no reason.")
            if phase is JobPhase.FAILED
            else "",
        )

    def cancel(self, job: TrainingJob) -> None:
        found = self._found(job)
        if found is not None and not _PHASES.get(str(found.get("status")), JobPhase.RUNNING).over:
            self._api.post(f"/fine_tuning/jobs/{_value(found, 'id')}/cancel")


def _value(told: Mapping[str, Any], name: str) -> Any:
    try:
        found = told[name]
    except (KeyError, TypeError) as error:
        raise TrainerUnavailable(f"OpenAI's answer has no {name!r}.") from error
    if found is None:
        raise TrainerUnavailable(f"OpenAI's answer has no {name!r}.")
    return found
