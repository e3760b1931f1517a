"""A finetuning job as it is written down before anything is sent, and what can be asked of a trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.finetuning.training import TrainingSettings

__all__ = [
    "JobPhase",
    "JobStatus",
    "Trainer",
    "TrainerRefused",
    "TrainerUnavailable",
    "TrainerWaits",
    "TrainingJob",
    "TrainingRow",
]


class TrainerUnavailable(StudioError):
    """The trainer did not answer, or said that it cannot just now: asking again later may help."""


class TrainerRefused(StudioError):
    """The trainer refused the job or the question: asking again will not help."""


class TrainerWaits(StudioError):
    """A person has to do something, which the hint says, before the job can go on: ask again after that."""


@dataclass(frozen=True)
class TrainingRow:
    """One call to learn from: `messages` as they were (or would be) sent, and the `answer` to give.

    `predictor` and `example` say which call of which cell it comes from; `labelled`: from the example's labels, and
    no call was made.
    """

    messages: tuple[Mapping[str, Any], ...]
    answer: str
    predictor: str
    example: str
    labelled: bool = False


@dataclass(frozen=True)
class TrainingJob:
    """What is to be trained. `id` is chosen by us, unique, and at most 40 letters, digits and dashes.

    A job with one `id` is always the same job: its rows and settings never change.

    Attributes:
        begins_at: What an earlier job came to (`JobStatus.tuned`), which this one trains further; None = the base
            model.
    """

    id: str
    base_model: str
    rows: tuple[TrainingRow, ...]
    settings: TrainingSettings
    begins_at: str | None = None


class JobPhase(StrEnum):
    UNSENT = "unsent"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        return self in (JobPhase.SUCCEEDED, JobPhase.FAILED, JobPhase.CANCELLED)


@dataclass(frozen=True)
class JobStatus:
    """How far a job is.

    Attributes:
        step, steps: Optimizer steps done and in all; 0 and 0 when the trainer does not tell.
        losses: Nats a token, a value a step, as far as they are told.
        tuned: What serves the result: the file of an adapter, or a model id of the provider's. Set on success.
        cost_usd: None while it is not known.
        message: Why it failed, in the trainer's words.
    """

    phase: JobPhase
    step: int = 0
    steps: int = 0
    losses: tuple[float, ...] = ()
    tuned: str | None = None
    cost_usd: float | None = None
    message: str = ""


class Trainer(Protocol):
    """Trains adapters. Every method may be called again at any time, from another process, after any failure.

    Raises:
        TrainerUnavailable: from any method; nothing is decided, ask again.
        TrainerRefused: from any method; the job cannot be had.
        TrainerWaits: from `status`; a person has to do something first.
    """

    def submit(self, job: TrainingJob) -> None:
        """Begin the job. A job that was begun before is not begun again, whatever became of the answer then."""

    def status(self, job: TrainingJob) -> JobStatus:
        """How far it is. UNSENT when `submit` never reached the trainer."""

    def cancel(self, job: TrainingJob) -> None:
        """End the job without a result; one that is over stays as it is."""
