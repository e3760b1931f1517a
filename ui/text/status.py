"""A run's status in words, with an icon and a colour that say the same."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from mipro_studio.optimizer_core.types import LEGAL_MOVES, Phase, Status
from mipro_studio.storage import RunSummary
from mipro_studio.ui.text.format import count, elapsed_s, plural

__all__ = [
    "ACTIVE",
    "LOOKS",
    "Look",
    "can_resume",
    "is_active",
    "may_pause",
    "may_stop",
    "phase_line",
    "phase_words",
    "progress",
]

Colour = Literal["blue", "gray", "green", "orange", "red", "violet"]


@dataclass(frozen=True, slots=True)
class Look:
    """`mark` stands in tables, where there are no icons."""

    word: str
    icon: str
    colour: Colour
    mark: str


LOOKS: Mapping[Status, Look] = {
    Status.QUEUED: Look("Queued", ":material/schedule:", "gray", "◌"),
    Status.RUNNING: Look("Running", ":material/play_circle:", "blue", "▶"),
    Status.AWAITING_REVIEW: Look("Waiting for you", ":material/rate_review:", "violet", "✎"),
    Status.PAUSED: Look("Paused", ":material/pause_circle:", "orange", "‖"),
    Status.STOPPED: Look("Stopped", ":material/stop_circle:", "gray", "■"),
    Status.COMPLETED: Look("Finished", ":material/check_circle:", "green", "✓"),
    Status.FAILED: Look("Failed", ":material/error:", "red", "✕"),
    Status.LOST: Look("Lost", ":material/link_off:", "red", "?"),
}

ACTIVE = (Status.QUEUED, Status.RUNNING)
"""States in which something may change without a person doing anything."""

_PHASES: Mapping[str, tuple[str, str]] = {
    Phase.SETUP: ("Setting up", ""),
    Phase.BOOTSTRAP: ("Bootstrapping demos", "set"),
    Phase.PROPOSE: ("Proposing instructions", "instruction"),
    Phase.SEARCH: ("Searching", "trial"),
    Phase.TUNE: ("Tuning weights", "step"),
    Phase.TEST: ("Scoring the sealed test", "program run"),
    Phase.DONE: ("Done", ""),
}


# A worker that was only slow (a loaded machine, a laptop that slept) comes back by itself.
_MAY_COME_BACK_S = 600.0


def is_active(run: RunSummary) -> bool:
    """Whether looking again may show something new."""
    if run.status is Status.LOST:
        return (elapsed_s(run.updated_at) or 0.0) < _MAY_COME_BACK_S
    return run.status in ACTIVE


def phase_line(run: RunSummary) -> str:
    """What the run is doing and how far it is: `Searching, trial 13 of 30`."""
    if run.status is Status.QUEUED:
        return "Waiting for its worker to start"
    word, unit = _PHASES.get(run.phase, ("Starting", ""))
    if run.status in (Status.COMPLETED, Status.AWAITING_REVIEW):
        return ""
    if run.status is not Status.RUNNING:
        return "" if run.phase in ("", Phase.DONE) else f"Got as far as: {word.lower()}{_position(run, unit)}"
    return word + _position(run, unit)


def phase_words(phase: str, total: int) -> str:
    """A phase that begins: `Searching, 20 trials`."""
    word, unit = _PHASES.get(phase, (phase, ""))
    return f"{word}, {plural(total, unit)}" if total and unit else word


def _position(run: RunSummary, unit: str) -> str:
    """Setting up counts what it fetches, every other phase its own steps."""
    done, total = run.phase_done, run.phase_total
    if run.phase == Phase.SEARCH and run.trials_planned:  # the one number that the page says of trials
        done, total = run.trials_done, run.trials_planned
    if not total:
        return ""
    if not done and unit and total > 1:
        return f", none of {plural(total, unit)} yet"
    told = f"{count(done)} of {count(total)}"
    return f", {told} MB" if run.phase == Phase.SETUP else f", {unit} {told}".replace("  ", " ")


def progress(run: RunSummary) -> float:
    """How full the bar is: of the phase while the run works, of the trials once it stands still."""
    if run.status is Status.COMPLETED:
        return 1.0
    done, total = run.phase_done, run.phase_total
    if run.status is not Status.RUNNING:
        done, total = run.trials_done, run.trials_planned or 0
    return min(1.0, max(0.0, done / total)) if total else 0.0


def can_resume(run: RunSummary) -> bool:
    return Status.QUEUED in LEGAL_MOVES[run.status] and run.status is not Status.COMPLETED


def may_pause(run: RunSummary, obeying: Collection[str]) -> bool:
    """Whether a run can be asked to pause.

    Args:
        obeying: `stop` and `pause`, as far as it was asked for them in its present life.
    """
    return run.status is Status.RUNNING and not {"pause", "stop"} & {*obeying}


def may_stop(run: RunSummary, obeying: Collection[str]) -> bool:
    """Whether a run can be asked to stop; also one that is pausing, or stands still."""
    return Status.STOPPED in LEGAL_MOVES[run.status] and not (run.status is Status.RUNNING and "stop" in obeying)
