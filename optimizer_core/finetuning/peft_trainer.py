"""Finetuning with torch, transformers and peft, of weights in a folder or on a hub, by a process of this machine.

What serves the task model has to have the same weights and to take adapters while it runs, as vLLM does by `POST
/load_lora_adapter` beside the chat completions, where `VLLM_ALLOW_RUNTIME_LORA_UPDATING` lets it. An adapter is known
there by its job's id.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from mipro_studio.optimizer_core.environment import helper_environment
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning.embedded_trainer import EmbeddedTrainer
from mipro_studio.optimizer_core.finetuning.job import JobPhase, JobStatus, TrainingJob
from mipro_studio.optimizer_core.finetuning.providers.http_api import Api

__all__ = ["ADAPTER_FOLDER", "PeftTrainer", "require_installed"]

ADAPTER_FOLDER: Final = "adapter"
"""In the job's folder, as peft saves it."""

_NEEDED: Final = ("torch", "transformers", "peft")
_OF_HUB: Final = ("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "HF_ENDPOINT", "CUDA_VISIBLE_DEVICES")


def require_installed() -> None:
    """Raises:
    BadInput: what the trainer needs is not installed.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise BadInput(
            f"Tuning with peft needs what is not installed: {', '.join(missing)}.",
            "Install it: python -m pip install -r requirements-peft.txt.",
        )


class PeftTrainer(EmbeddedTrainer):
    """See `Trainer`: jobs as the embedded trainer's, of another process, and served by a server of a person's own.

    Args:
        folder: Where the jobs' folders stand, beside the store. The server has to see it under the same path.
        server: Base URL of its OpenAI-compatible API.
    """

    process = "optimizer_core.finetuning.peft_process"

    def __init__(self, folder: Path, server: str, key: str) -> None:
        super().__init__(folder)
        self._server = Api(server.rstrip("/"), key, "The task model's server")

    def status(self, job: TrainingJob) -> JobStatus:
        """As the embedded trainer's; a job has succeeded once its adapter is served."""
        found = super().status(job)
        if found.phase is not JobPhase.SUCCEEDED:
            return found
        self._have_served(job)
        return replace(found, tuned=job.id)

    def _have_served(self, job: TrainingJob) -> None:
        listed = (self._server.get("/models") or {}).get("data", ())
        if not any(one.get("id") == job.id for one in listed):
            adapter = self._files(job).folder / ADAPTER_FOLDER
            self._server.post("/load_lora_adapter", {"lora_name": job.id, "lora_path": str(adapter.resolve())})

    def _earlier(self, begins_at: str) -> Path:
        return self._folder / begins_at / ADAPTER_FOLDER / "adapter_config.json"

    def _environment(self) -> dict[str, str]:
        return helper_environment(*_OF_HUB, network=True)
