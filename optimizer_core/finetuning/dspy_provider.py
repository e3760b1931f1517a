"""The embedded trainer for `dspy.BootstrapFinetune` and `dspy.BetterTogether` themselves, without a studio run.

    lm = finetunable_lm(Path("tunings"))
    dspy.configure(lm=lm, adapter=FinetuneAdapter())
    program.set_lm(lm)
    better = dspy.BootstrapFinetune(metric=metric).compile(program, trainset=rows)

A job is named after what is trained on what, so a script that is killed and started again goes on with the same job.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dspy
from dspy.clients.provider import Provider
from pydantic import ValidationError

from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.finetuning.embedded_trainer import EmbeddedTrainer
from mipro_studio.optimizer_core.finetuning.job import (
    JobPhase,
    JobStatus,
    Trainer,
    TrainerUnavailable,
    TrainingJob,
    TrainingRow,
)
from mipro_studio.optimizer_core.finetuning.training import TrainingSettings
from mipro_studio.optimizer_core.models.embedded import LM_NAME, MODEL_NAME, CompactAdapter
from mipro_studio.optimizer_core.models.embedded.engine import AsyncEmbeddedEngine, EmbeddedEngine

__all__ = ["EmbeddedProvider", "FinetuneAdapter", "finetunable_lm"]

POLL_S = 0.5
MOST_FAILURES = 20


class FinetuneAdapter(CompactAdapter, dspy.ChatAdapter):  # type: ignore[misc]
    """The embedded model's prompts, in a form that DSPy finetunes on: it takes heirs of its ChatAdapter only."""

    def format_finetune_data(
        self, signature: Any, demos: list[Any], inputs: Mapping[str, Any], outputs: Mapping[str, Any]
    ) -> dict[str, list[dict[str, Any]]]:
        """The messages as they are sent, and the answer as it is given."""
        answer = {"role": "assistant", "content": self.format_assistant_message_content(signature, outputs)}
        return {"messages": [*self.format(signature, demos, inputs), answer]}


class EmbeddedProvider(Provider):  # type: ignore[misc]
    """Trains adapters of the embedded model in a process of their own.

    `train_kwargs` are the fields of `TrainingSettings`: epochs, batch_size, learning_rate, seed, lora={...}.

    Args:
        folder: Where the jobs and their adapters stand.
        trainer: Another one than this machine's, whose results the embedded model can be served with.
    """

    def __init__(self, folder: Path, trainer: Trainer | None = None) -> None:
        super().__init__()
        self.finetunable = True
        self._trainer = trainer or EmbeddedTrainer(folder)

    def finetune(  # type: ignore[override]
        self,
        job: Any,
        model: str,
        train_data: Sequence[Mapping[str, Any]],
        train_data_format: Any,
        train_kwargs: Mapping[str, Any] | None = None,
    ) -> str:
        """Train, or take up the training of the same rows and settings. Returns the adapter's file.

        Raises:
            StudioError: it failed, or the trainer cannot be reached; asking again goes on where it was.
        """
        begins_at = None if model == LM_NAME else model
        if begins_at is not None and not Path(begins_at).is_file():
            raise BadInput(
                f"{model} is no adapter's file.", "Tune the embedded model, or what an earlier tuning gave."
            )
        asked = _job(train_data, _settings(train_kwargs or {}), begins_at)
        self._trainer.submit(asked)
        status = self._over(asked)
        if status.phase is not JobPhase.SUCCEEDED or status.tuned is None:
            raise StudioError(f"The training ended as {status.phase.value}: {status.message}")
        return status.tuned

    def _over(self, asked: TrainingJob) -> JobStatus:
        failures = 0
        while True:
            try:
                status = self._trainer.status(asked)
                if status.phase.over:
                    return status
                failures = 0
            except TrainerUnavailable:
                failures += 1
                if failures == MOST_FAILURES:
                    raise
            time.sleep(POLL_S)


def _settings(train_kwargs: Mapping[str, Any]) -> TrainingSettings:
    try:
        found = TrainingSettings.model_validate(dict(train_kwargs))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"train_kwargs: {where} = {first['input']!r} is not allowed: {first['msg']}.",
            f"There are {', '.join(TrainingSettings.model_fields)}.",
        ) from error
    if found.full:
        raise BadInput("The embedded model's weights are tuned by adapters only.", "Leave full out of train_kwargs.")
    return found


def _job(
    train_data: Sequence[Mapping[str, Any]], settings: TrainingSettings, begins_at: str | None = None
) -> TrainingJob:
    rows = tuple(
        TrainingRow(tuple(one["messages"][:-1]), str(one["messages"][-1]["content"]), "", str(place))
        for place, one in enumerate(train_data)
    )
    told = [settings.model_dump(mode="json"), [[row.messages, row.answer] for row in rows]]
    told += [begins_at] if begins_at is not None else []
    name = hashlib.sha256(json.dumps(told, default=str).encode()).hexdigest()[:24]
    return TrainingJob(f"dspy-{name}", MODEL_NAME, rows, settings, begins_at)


class _FinetunableLM(dspy.LM):  # type: ignore[misc]
    """A copy whose model is an adapter's file answers with it: so DSPy makes the model of a finished job."""

    def copy(self, **kwargs: Any) -> Any:
        copied = super().copy(**kwargs)
        if "model" in kwargs:
            engine = EmbeddedEngine(adapters=[Path(kwargs["model"])], adapter=0)
            copied = dspy.LM.copy(copied, engine=engine, async_engine=AsyncEmbeddedEngine(engine))
        return copied


def finetunable_lm(
    folder: Path, *, temperature: float = 0.0, max_tokens: int = 200, trainer: Trainer | None = None
) -> dspy.LM:
    """The embedded model, to be used with `FinetuneAdapter`, for optimizers of DSPy that tune weights.

    Args:
        folder: Where the jobs and their adapters stand.
        trainer: See `EmbeddedProvider`.
    """
    engine = EmbeddedEngine(max_tokens=max_tokens)
    return _FinetunableLM(
        LM_NAME,
        temperature=temperature,
        max_tokens=max_tokens,
        cache=False,
        num_retries=0,
        engine=engine,
        async_engine=AsyncEmbeddedEngine(engine),
        provider=EmbeddedProvider(folder, trainer),
    )
