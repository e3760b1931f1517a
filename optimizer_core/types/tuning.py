"""Tunings of the task model's weights, as they are kept."""

from dataclasses import dataclass, field
from enum import StrEnum

from mipro_studio.optimizer_core.types.values import Json

__all__ = ["Tuning", "TuningState"]


class TuningState(StrEnum):
    """ROWS: they are written down, nothing is sent. SENT: the job may be at the trainer. The others are ends: EMPTY
    means that no row was to be had, so nothing was sent; a FAILED one may be tried again under another job id."""

    ROWS = "rows"
    SENT = "sent"
    TUNED = "tuned"
    EMPTY = "empty"
    FAILED = "failed"

    @property
    def over(self) -> bool:
        return self in (TuningState.TUNED, TuningState.EMPTY)


@dataclass(frozen=True, slots=True)
class Tuning:
    """One tuning of the task model's weights: what the arm of weights with this `number` is, or is to become.

    Attributes:
        number: From 1; 0 are the weights that the model came with.
        job: What the trainer knows it by, chosen and written down before anything is sent.
        program: Id of the candidate whose prompts the rows have.
        rows: {messages, answer, predictor, example}, as they are trained on.
        facts: How the rows came about, trainer, settings, and in the end losses, seconds, cost and what serves it.
    """

    number: int
    state: TuningState
    job: str
    program: str
    rows: tuple[Json, ...] = ()
    facts: Json = field(default_factory=dict)
