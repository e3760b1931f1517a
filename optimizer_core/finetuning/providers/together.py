"""Finetuning by Together AI: files, `POST /fine-tunes`, polling by id.

The provider gives ids of its own, so what is written down before anything is sent is our job id, as the name of the
file and the suffix of the model: a job whose answer was lost is found again by them and not paid for twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mipro_studio.optimizer_core.finetuning.job import JobPhase, JobStatus, TrainerUnavailable, TrainingJob
from mipro_studio.optimizer_core.finetuning.providers.http_api import Api, chat_lines

__all__ = ["TOGETHER_URL", "TogetherTrainer"]

TOGETHER_URL: Final = "https://api.together.xyz/v1"
NANODOLLARS: Final = 1e9
"""The unit of `total_price`."""

_PHASES: Final[Mapping[str, JobPhase]] = {
    "pending": JobPhase.QUEUED,
    "queued": JobPhase.QUEUED,
    "running": JobPhase.RUNNING,
    "compressing": JobPhase.RUNNING,
    "uploading": JobPhase.RUNNING,
    "cancel_requested": JobPhase.RUNNING,
    "completed": JobPhase.SUCCEEDED,
    "error": JobPhase.FAILED,
    "user_error": JobPhase.FAILED,
    "cancelled": JobPhase.CANCELLED,
}


class TogetherTrainer:
    """See `Trainer`. The result is served by an endpoint that its owner opens for it."""

    def __init__(self, key: str, base_url: str = TOGETHER_URL) -> None:
        self._api = Api(base_url, key, "Together")

    def submit(self, job: TrainingJob) -> None:
        if self._found(job) is not None:
            return
        settings = job.settings
        begins_at = {"from_checkpoint": job.begins_at} if job.begins_at is not None else {}
        request = {
            "training_file": self._uploaded(job),
            "model": job.base_model,
            **begins_at,
            "n_epochs": settings.epochs,
            "batch_size": settings.batch_size,
            "learning_rate": settings.learning_rate,
            "warmup_ratio": settings.warmup,
            "training_type": {
                "type": "Lora",
                "lora_r": settings.lora.rank,
                "lora_alpha": round(settings.lora.alpha),
            },
            "suffix": job.id,
        }
        self._api.post("/fine-tunes", request)

    def _uploaded(self, job: TrainingJob) -> str:
        """The id of the file with the job's rows, sent unless it was before."""
        name = f"{job.id}.jsonl"
        listed = (self._api.get("/files") or {}).get("data", ())
        known = next((file["id"] for file in listed if file.get("filename") == name), None)
        if known is not None:
            return str(known)
        sent = self._api.post(
            "/files/upload",
            files={"file": (name, chat_lines(job), "application/jsonl")},
            data={"purpose": "fine-tune", "file_name": name, "file_type": "jsonl"},
        )
        return str(_value(sent, "id"))

    def _found(self, job: TrainingJob) -> Mapping[str, Any] | None:
        listed = (self._api.get("/fine-tunes") or {}).get("data", ())
        return next((one for one in listed if one.get("suffix") == job.id), None)

    def status(self, job: TrainingJob) -> JobStatus:
        found = self._found(job)
        if found is None:
            return JobStatus(JobPhase.UNSENT)
        told = self._api.get(f"/fine-tunes/{_value(found, 'id')}") or found
        phase = _PHASES.get(str(_value(told, "status")))
        if phase is None:
            raise TrainerUnavailable(f"Together calls the job {told['status']!r}, which is not known here.")
        price = told.get("total_price")
        return JobStatus(
            phase,
            step=int(told.get("steps_completed") or 0),
            steps=int(told.get("total_steps") or 0),
            tuned=str(_value(told, "output_name")) if phase is JobPhase.SUCCEEDED else None,
            cost_usd=float(price) / NANODOLLARS if price else None,
            message=_last_message(told) if phase is JobPhase.FAILED else "",
        )

    def cancel(self, job: TrainingJob) -> None:
        found = self._found(job)
        if found is not None and not _PHASES.get(str(found.get("status")), JobPhase.RUNNING).over:
            self._api.post(f"/fine-tunes/{_value(found, 'id')}/cancel")


def _value(told: Mapping[str, Any], name: str) -> Any:
    try:
        return told[name]
    except (KeyError, TypeError) as error:
        raise TrainerUnavailable(f"Together's answer has no {name!r}.") from error


def _last_message(told: Mapping[str, Any]) -> str:
    events = told.get("events") or ()
    return str(events[-1].get("message", "")) if events else "Together gave no reason."
