"""Trials: the requests for cells that a search makes, in order."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["FULL_KINDS", "Trial", "TrialKind"]


class TrialKind(StrEnum):
    """How cells were asked for. The baseline is a full evaluation and carries no trial number (number 0)."""

    BASELINE = "baseline"
    MINIBATCH = "minibatch"
    FULL = "full"


FULL_KINDS = (TrialKind.BASELINE, TrialKind.FULL)


@dataclass(frozen=True, slots=True)
class Trial:
    """One request for cells. `mean` is over the cells with a score; None while in flight or when none has one.

    `objective` is the mean of what the search maximizes, where that is not the score; else None.
    `program_runs` counts the new cells asked for up to and with this trial, in order of asking, so that it
    does not depend on which answer came first. `known`: how many of the trials before it, in order, its decision
    knew the results of; None where an older studio did not say. A row is written twice: when asked (`done` false)
    and when its last cell is in.
    """

    order: int
    number: int
    kind: TrialKind
    candidate: str
    examples: tuple[str, ...]
    done: bool = False
    mean: float | None = None
    n_ok: int = 0
    n_error: int = 0
    program_runs: int = 0
    known: int | None = None
    objective: float | None = None

    @property
    def value(self) -> float | None:
        """What the search was told: the mean of its objective."""
        return self.mean if self.objective is None else self.objective
