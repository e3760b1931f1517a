"""Finetuning with torch, transformers and peft, of weights in a folder or on a hub, by a process of this machine.

What serves the task model has to have the same weights and to take what comes of a job while it runs. An adapter is
given to it by `POST /load_lora_adapter` beside the chat completions, as vLLM has it where
`VLLM_ALLOW_RUNTIME_LORA_UPDATING` lets it, and is known there by its job's id. A whole model is asked for by its
folder, which `transformers serve` reads when it is first named; a server of another kind may be started with it under
the job's id.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from mipro_studio.optimizer_core.environment import helper_environment
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning.embedded_trainer import EmbeddedTrainer
from mipro_studio.optimizer_core.finetuning.job import JobPhase, JobStatus, TrainerRefused, TrainerWaits, TrainingJob
from mipro_studio.optimizer_core.finetuning.providers.http_api import Api

__all__ = ["ADAPTER_FOLDER", "MODEL_FOLDER", "PeftTrainer", "kept_in", "require_installed"]

ADAPTER_FOLDER: Final = "adapter"
"""In the job's folder, as peft saves it."""
MODEL_FOLDER: Final = "model"
"""Likewise, all weights with the tokenizer, as transformers saves them."""

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


def kept_in(jobs: Path, tuned: str, name: str) -> Path:
    """The folder of what a job came to.

    Args:
        tuned: What serves it: the job's id, or that folder.
        name: `ADAPTER_FOLDER` or `MODEL_FOLDER`.
    """
    return Path(tuned) if Path(tuned).is_absolute() else jobs / tuned / name


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
        """As the embedded trainer's; a job has succeeded once what came of it is served."""
        found = super().status(job)
        if found.phase is not JobPhase.SUCCEEDED:
            return found
        return replace(found, tuned=self._model_served(job) if job.settings.full else self._adapter_served(job))

    def _adapter_served(self, job: TrainingJob) -> str:
        """The adapter's name at the server, which is given it if it does not have it."""
        if job.id not in self._listed():
            adapter = self._files(job).folder / ADAPTER_FOLDER
            self._server.post("/load_lora_adapter", {"lora_name": job.id, "lora_path": str(adapter.resolve())})
        return job.id

    def _model_served(self, job: TrainingJob) -> str:
        """The model's name at the server.

        Raises:
            TrainerWaits: the server lists it under neither name, also after it was asked for it by its folder. One
                that answers whatever it is asked for with the one model that it has is such a server.
        """
        folder = str((self._files(job).folder / MODEL_FOLDER).resolve())
        names = (job.id, folder)
        if served := next((name for name in names if name in self._listed()), None):
            return served
        asked = {"model": folder, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        with suppress(TrainerRefused):  # it does not know the folder: then it does not list it either
            self._server.post("/chat/completions", asked)
        if folder in self._listed():
            return folder
        raise TrainerWaits(
            f"The model is tuned, and the task model's server does not answer with it: {folder}.",
            f"Have the server at that address serve that folder too, under the name {job.id} or by its path, as "
            "`transformers serve` does, then resume the run.",
        )

    def _listed(self) -> set[str]:
        return {str(one.get("id")) for one in (self._server.get("/models") or {}).get("data", ())}

    def _earlier(self, job: TrainingJob, begins_at: str) -> Path:
        name, file = (MODEL_FOLDER, "config.json") if job.settings.full else (ADAPTER_FOLDER, "adapter_config.json")
        return kept_in(self._folder, begins_at, name) / file

    def _environment(self) -> dict[str, str]:
        return helper_environment(*_OF_HUB, network=True)
