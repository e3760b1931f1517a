"""Finetuning by Fireworks AI: a data set, a supervised finetuning job, polling by name.

Every name is chosen by us before anything is sent, so asking for it tells whether it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mipro_studio.optimizer_core.finetuning.job import JobPhase, JobStatus, TrainerUnavailable, TrainingJob
from mipro_studio.optimizer_core.finetuning.providers.http_api import Api, chat_lines

__all__ = ["FIREWORKS_URL", "FireworksTrainer"]

FIREWORKS_URL: Final = "https://api.fireworks.ai/v1"

_PHASES: Final[Mapping[str, JobPhase]] = {
    "JOB_STATE_UNSPECIFIED": JobPhase.QUEUED,
    "JOB_STATE_CREATING": JobPhase.QUEUED,
    "JOB_STATE_PENDING": JobPhase.QUEUED,
    "JOB_STATE_VALIDATING": JobPhase.QUEUED,
    "JOB_STATE_RUNNING": JobPhase.RUNNING,
    "JOB_STATE_WRITING_RESULTS": JobPhase.RUNNING,
    "JOB_STATE_CANCELLING": JobPhase.RUNNING,
    "JOB_STATE_COMPLETED": JobPhase.SUCCEEDED,
    "JOB_STATE_FAILED": JobPhase.FAILED,
    "JOB_STATE_EXPIRED": JobPhase.FAILED,
    "JOB_STATE_CANCELLED": JobPhase.CANCELLED,
}


class FireworksTrainer:
    """See `Trainer`.

    Args:
        account: The account's id, as in `accounts/ID`.
    """

    def __init__(self, key: str, account: str, base_url: str = FIREWORKS_URL) -> None:
        self._api = Api(base_url, key, "Fireworks")
        self._root = f"/accounts/{account}"

    def submit(self, job: TrainingJob) -> None:
        if self._job(job) is not None:
            return
        self._upload(job)
        settings = job.settings
        # One of the two alone: a model to go on from says itself what it is based on.
        begins_at = {"baseModel": job.base_model} if job.begins_at is None else {"warmStartFrom": job.begins_at}
        request = {
            "dataset": f"{self._root[1:]}/datasets/{job.id}",
            **begins_at,
            "outputModel": f"{self._root[1:]}/models/{job.id}",
            "epochs": settings.epochs,
            "learningRate": settings.learning_rate,
            "loraRank": settings.lora.rank,
        }
        named = {"supervisedFineTuningJobId": job.id}
        self._api.post(f"{self._root}/supervisedFineTuningJobs", request, params=named)

    def _upload(self, job: TrainingJob) -> None:
        path = f"{self._root}/datasets/{job.id}"
        known = self._api.get(path)
        if known is None:
            about = {"exampleCount": str(len(job.rows)), "userUploaded": {}, "format": "CHAT"}
            self._api.post(f"{self._root}/datasets", {"datasetId": job.id, "dataset": about})
        if known is None or known.get("state") != "READY":
            rows = (f"{job.id}.jsonl", chat_lines(job), "application/jsonl")
            self._api.post(f"{path}:upload", files={"file": rows})

    def _job(self, job: TrainingJob) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self._api.get(f"{self._root}/supervisedFineTuningJobs/{job.id}")
        return found

    def status(self, job: TrainingJob) -> JobStatus:
        told = self._job(job)
        if told is None:
            return JobStatus(JobPhase.UNSENT)
        phase = _PHASES.get(str(told.get("state")))
        if phase is None:
            raise TrainerUnavailable(f"Fireworks calls the job {told.get('state')!r}, which is not known here.")
        percent = int((told.get("jobProgress") or {}).get("percent") or 0)
        return JobStatus(
            phase,
            step=percent,
            steps=100,
            tuned=f"{self._root[1:]}/models/{job.id}" if phase is JobPhase.SUCCEEDED else None,
            message=str((told.get("status") or {}).get("message") or "Fireworks gave no reason.")
            if phase is JobPhase.FAILED
            else "",
        )

    def cancel(self, job: TrainingJob) -> None:
        told = self._job(job)
        if told is not None and not _PHASES.get(str(told.get("state")), JobPhase.RUNNING).over:
            self._api.post(f"{self._root}/supervisedFineTuningJobs/{job.id}:cancel", {})
