"""Lab sessions and a search over the switches, written as workers write them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.types import Arm, Author, Candidate, Event, Phase, Status, Trial, TrialKind
from tests.ui.factory import HOSTILE, LEASE_S, MARKER, PREDICTORS, TEXTS, LiveRun

__all__ = ["SETTINGS", "lab_session", "switch_search"]

SETTINGS: list[dict[str, Any]] = [
    {"name": "everything", "tip": "simple"},
    {"name": "no demos", "demos": False},
    {"name": f"{MARKER} {HOSTILE}"[:60], "dataset_summary": False, "temperature": 0.5},
]
_BASE = {"program": "sample:triage", "name": "Lab: triage", "search": {"trials": 0}}


def _run(store: Path, lease_s: float = LEASE_S, **changes: Any) -> LiveRun:
    config = RunConfig.model_validate({**_BASE, **changes})
    run = LiveRun(store, config.name, age_s=600, config=config)
    run.begin(lease_s)
    return run


def lab_session(store: Path, status: Status | None = Status.COMPLETED, written: int = 2) -> LiveRun:
    """A session of which `written` instructions for each setting and predictor are there; None = it goes on."""
    lost = status is Status.LOST
    run = _run(
        store, 300 if lost else LEASE_S, optimizer="lab", name="Lab: triage", lab={"variants": SETTINGS, "samples": 2}
    )
    run.phase(Phase.PROPOSE, 0, 12)
    for name in PREDICTORS:
        run.write(instruction_arm(name, 0, TEXTS[0], Author.SEED))
        for place, setting in enumerate(SETTINGS):
            for sample in range(written):
                run.write(_arm(name, place, sample, setting))
    if status is not None and not lost:
        run.phase(Phase.DONE)
        run.end(status, "" if status is Status.COMPLETED else "The endpoint is down.")
    return run


def _arm(predictor: str, place: int, sample: int, setting: dict[str, Any]) -> Arm:
    asked = setting.get("demos", True)
    why = "no bootstrapped demo in any set" if asked else ""
    switches = [
        {"switch": "demos", "requested": asked, "used": False, "why": why},
        {"switch": "program_summary", "requested": True, "used": True, "why": ""},
    ]
    facts = {"variant": setting["name"], "tip": setting.get("tip", "none"), "switches": switches}
    facts["tokens"] = {"input": 900, "output": 60}
    text = TEXTS[1 + (place + sample) % 4] + f" ({place}, {sample})"
    return instruction_arm(predictor, 1 + 2 * place + sample, text, Author.MODEL, facts)


def switch_search(store: Path, means: Sequence[float] = (0.4, 0.7, 0.45, 0.75, 0.5, 0.8)) -> LiveRun:
    """A search over the switches: trials with the dataset summary on score higher."""
    run = _run(store, optimizer="zero_shot_mipro_pp", name="Switches: triage")
    for name in PREDICTORS:
        run.write(instruction_arm(name, 0, TEXTS[0], Author.SEED))
    for number, mean in enumerate(means, start=1):
        values = {"dataset_summary": number % 2 == 0, "temperature": 0.5 if number < 3 else 1.2, "tip": "high_stakes"}
        for name in PREDICTORS:
            facts = {"round": number, "values": values}
            run.write(instruction_arm(name, number, f"Text {number}.", Author.MODEL, facts))
        candidate = Candidate.parse(f"i{number}d0-i{number}d0").id
        run.write(
            Trial(2 * number, number, TrialKind.MINIBATCH, candidate, ("val-0",), True, mean, 25, 0, 25 * number)
        )
        if number == 2:  # a full evaluation of the same trial counts no second time
            run.write(Trial(5, number, TrialKind.FULL, candidate, ("val-0",), True, 0.1, 40, 0, 90))
    run.write(Event("note", {"text": "nothing is left to try"}))
    run.end(Status.COMPLETED, "")
    return run
