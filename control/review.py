"""What a person asks of a run's arms: checked and stored here, taken up by the run's worker between two trials.

Used by the pages and the command line. Imports neither streamlit nor dspy.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mipro_studio.control import launcher
from mipro_studio.optimizer_core.catalogue import OPTIMIZERS
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.finetuning.row_edits import changed_rows
from mipro_studio.optimizer_core.parameters.edits import EditableArms, changed_arms
from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.optimizer_core.types import (
    DEMOS,
    INSTRUCTION,
    PROGRAM,
    Arm,
    Cell,
    Change,
    ChangeKind,
    Phase,
    Status,
)
from mipro_studio.storage import Reader, Store

__all__ = ["EditableArms", "change", "editable_arms", "withdraw", "write_note"]


def change(store: Path, run_id: str, kind: ChangeKind, payload: Mapping[str, Any]) -> int:
    """Ask for a change of the arms. Returns the number of the request.

    A working run takes it up before its next trial; one that stands still when it goes on, before it searches. A run
    at the review gate that is asked for more instructions is given a worker that writes them and comes back to the
    gate.

    Raises:
        BadInput: the change is not possible, or the run is over.
        StudioError: there is no such run.
    """
    with Reader(store) as reader:
        summary = reader.run(run_id)
        if summary.origin:
            raise BadInput(f"Run {summary.id} came from a replay file, so it is only shown.")
        if summary.status is Status.COMPLETED:
            listed = OPTIMIZERS.get(summary.optimizer)
            more = "Resume it with more trials, then change them."
            if listed is not None and listed.bounded:
                more = f"{listed.bounded} Start a new run with other settings."
            raise BadInput(f"Run {summary.id} is completed, so its arms stand.", more)
        if summary.status is Status.RUNNING and summary.phase in (Phase.TEST, Phase.DONE):
            raise BadInput(
                f"Run {summary.id} is at its sealed test: its search is over, so a change comes too late.",
                "Ask for more trials when it is finished, then change its arms.",
            )
        payload = Scrubber(key_variables(reader.config(summary.id))).record(dict(payload))

        def trace_of(row: str) -> Cell | None:
            return _trace(reader, summary.id, row)

        if kind is ChangeKind.ROWS:
            changed_rows(payload, {tuning.number: tuning for tuning in reader.tunings(summary.id)})
        else:
            changed_arms(Change(0, kind, payload), editable_arms(reader, summary.id), trace_of)
    with Store(store) as opened, opened.atomic():
        number = opened.send(summary.id, kind.value, payload)
        to_gate = kind is ChangeKind.ASK and summary.status is Status.AWAITING_REVIEW
        if to_gate:
            opened.move(summary.id, Status.QUEUED, "more instructions were asked for", expect=Status.AWAITING_REVIEW)
    if to_gate:
        launcher.spawn(store, summary.id)
    return number


def withdraw(store: Path, run_id: str, number: int) -> None:
    """Take back a change that waits.

    Raises:
        BadInput: it does not wait any more.
    """
    with Store(store) as opened:
        if not opened.withdraw(run_id, number):
            raise BadInput("This change is settled already.", "Reject or restore what came of it.")


def write_note(store: Path, run_id: str, about: str, body: str) -> None:
    """Keep a note, see `Store.write_note`; keys are blacked out.

    Raises:
        StudioError: there is no such run.
    """
    with Reader(store) as reader:
        full_id = reader.run(run_id).id
        scrubber = Scrubber(key_variables(reader.config(full_id)))
    with Store(store) as opened:
        opened.write_note(full_id, about, scrubber.text(body))


def editable_arms(reader: Reader, run_id: str) -> EditableArms:
    """The arms as they stand in the store, and what may be changed of them."""
    by_kind: dict[str, dict[str, dict[int, Arm]]] = {INSTRUCTION: {}, DEMOS: {}}
    arms = reader.arms(run_id)
    for owner in dict.fromkeys(arm.owner for arm in arms if arm.owner != PROGRAM):
        by_kind[INSTRUCTION][owner], by_kind[DEMOS][owner] = {}, {}  # one may be written before the other
    for arm in arms:
        by_kind.setdefault(arm.kind, {}).setdefault(arm.owner, {})[arm.index] = arm
    config, receipt = reader.config(run_id), reader.receipt(run_id)
    return EditableArms(
        by_kind,
        str(config.get("optimizer", "")),
        tuple((config.get("search") or {}).get("freeze") or ()),
        tuple(receipt.get("takes", (INSTRUCTION, DEMOS))),
        bool(receipt.get("drops", True)),
    )


def _trace(reader: Reader, run_id: str, row: str) -> Cell | None:
    try:
        return reader.teacher_trace(run_id, row)
    except StudioError:  # the teacher never ran on it
        return None
