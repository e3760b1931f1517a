"""The moments at which a worker of `p -> w -> p` is killed: at a commit, or when a file of its job is there."""

from collections.abc import Callable
from dataclasses import dataclass

from mipro_studio.optimizer_core.types import (
    DEMOS,
    TEACHER,
    Arm,
    Cell,
    Event,
    EventKind,
    Outcome,
    Record,
    Split,
    Tuning,
    TuningState,
)

__all__ = ["COMMITS", "FILES", "Commit"]

BASELINE = "i0d0-i0d0"


@dataclass(frozen=True)
class Commit:
    """The commit that holds the `nth` record that `matches`; killed `before` it, or after it.

    `trainer`: the training process is killed with the worker.
    """

    matches: Callable[[Record], bool]
    nth: int = 1
    before: bool = False
    trainer: bool = False


def _cell(split: Split, of: Callable[[str], bool]) -> Callable[[Record], bool]:
    return lambda record: isinstance(record, Cell) and record.key.split is split and of(record.key.candidate)


def _tuning(state: TuningState) -> Callable[[Record], bool]:
    return lambda record: isinstance(record, Tuning) and record.state is state


def _demo_set(first: int) -> Callable[[Record], bool]:
    return lambda record: isinstance(record, Arm) and record.kind == DEMOS and record.index >= first


def _plain(candidate: str) -> bool:
    return candidate not in (BASELINE, TEACHER) and "-w" not in candidate


def _tuned(candidate: str) -> bool:
    return "-w" in candidate


def _is_outcome(record: Record) -> bool:
    return isinstance(record, Outcome)


def _is_loss(record: Record) -> bool:
    return isinstance(record, Event) and record.kind == EventKind.LOSSES


COMMITS = {
    "baseline: a row": Commit(_cell(Split.VAL, lambda one: one == BASELINE), nth=3),
    "bootstrap: a demo set, not yet written": Commit(_demo_set(1), before=True),
    "bootstrap: a demo set": Commit(_demo_set(1)),
    "prompts: a row": Commit(_cell(Split.VAL, _plain), nth=2),
    "traces: the last row": Commit(_cell(Split.TRAIN, lambda one: True), nth=6),
    "rows: not yet written": Commit(_tuning(TuningState.ROWS), before=True),
    "rows: written": Commit(_tuning(TuningState.ROWS)),
    "send: not yet noted": Commit(_tuning(TuningState.SENT), before=True),
    "send: noted, nothing sent": Commit(_tuning(TuningState.SENT)),
    "training: a loss, with the trainer": Commit(_is_loss, trainer=True),
    "training: a loss, without it": Commit(_is_loss),
    "tuned: not yet noted": Commit(_tuning(TuningState.TUNED), before=True),
    "tuned: noted": Commit(_tuning(TuningState.TUNED)),
    "serve: the first row, not yet written": Commit(_cell(Split.VAL, _tuned), before=True),
    "evaluate: a row": Commit(_cell(Split.VAL, _tuned), nth=4),
    "prompts again: a demo set": Commit(_demo_set(2)),
    "prompts again: a row": Commit(_cell(Split.VAL, lambda one: "w1" in one and "d2" in one), nth=2),
    "sealed test: a row": Commit(_cell(Split.TEST, lambda one: True), nth=3),
    "outcome: not yet written": Commit(_is_outcome, before=True),
    "outcome: written": Commit(_is_outcome),
}

FILES = {
    "submit: job written, its process begins": "job.json",
    "training: after a checkpoint, with the trainer": "checkpoint.npz",
    "training: the adapter is written, with the trainer": "adapter.gguf",
}
"""Killed with its trainer as soon as this file of the job is there."""
