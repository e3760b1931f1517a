"""A request becomes a run: it is looked at in a process of its own, and stored as queued with what that found.

Imports neither streamlit nor dspy, so that pages and commands start fast.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mipro_studio.control.asking import INSPECT_TIMEOUT_S, ask_worker
from mipro_studio.control.registries import is_in_registry, program_of
from mipro_studio.optimizer_core.errors import BadInput, IllegalMove
from mipro_studio.optimizer_core.types import (
    Candidate,
    Cell,
    Event,
    EventKind,
    Example,
    Record,
    Spent,
    Split,
    Status,
)
from mipro_studio.storage import Reader, Store

__all__ = ["inspect", "queue", "queue_ablation", "queue_approved", "records_of", "require_consent", "require_working"]


def inspect(config: dict[str, Any], *, rehearse: bool = True) -> dict[str, Any]:
    """Load program, metric and data in a subprocess, try them on a row or two, and say what a run would cost.

    Args:
        rehearse: Run the program on a training row or two; else every endpoint gets one short call.

    Returns:
        {program, metric, data, plan, receipt, warnings, rehearsal, refusal, ...}: JSON values only; `records` holds
        the split rows, `refusal` is {message, frames} where something should be mended before a run is started.

    Raises:
        BadInput: anything about the request that cannot work; nothing was created.
    """
    if is_in_registry(str(config.get("start_from") or "")):
        config = {**config, "start_state": program_of(config["start_from"], Path.cwd())}
    asked = {"config": config, "cwd": str(Path.cwd()), "rehearse": rehearse}
    return ask_worker(
        ["inspect"],
        config,
        asked,
        doing=f"Looking at {config.get('program')!r}",
        limit_s=INSPECT_TIMEOUT_S,
        hint="Keep model calls and downloads out of the program file's top level.",
    )


def queue(store: Path, found: Mapping[str, Any], anyway: bool = False) -> str:
    """Store a run as QUEUED, for whoever claims it. Returns its id.

    Args:
        found: What `inspect` said of the request; its config says who optimizes, with which seed.
        anyway: A person starts it although the check failed.
    """
    config = {**found["config"], "start_anyway": anyway, "ablate": False}  # its settings may be another run's
    with Store(store) as opened:
        return opened.create_run(
            name=found["name"],
            optimizer=config["optimizer"],
            seed=config["seed"],
            config=config,
            plan=found["plan"],
            receipt=found["receipt"],
            records=records_of(found),
        )


def queue_approved(opened: Store, run_id: str) -> None:
    """Queue a run that waits at its review gate, which it passes this time. Inside a transaction.

    Raises:
        IllegalMove: it does not wait there.
    """
    opened.move(run_id, Status.QUEUED, "approved", expect=Status.AWAITING_REVIEW)
    opened.send(run_id, "approve")


def queue_ablation(store: Path, run_id: str) -> None:
    """Queue a completed run again, in which its winner is scored without each of its parts.

    Raises:
        StudioError: it is not whole, not completed, or its winner has not two parts that could be told apart.
    """
    with Reader(store) as reader:
        reader.require_whole(run_id)
        run, outcome = reader.run(run_id), reader.outcome(run_id)
        winner = Candidate.parse(outcome.winner) if outcome is not None and outcome.winner else Candidate(1)
        missing = reader.missing_cells(run_id, [one.id for one in winner.without_each().values()])
        known = run.cells_ok + run.cells_error - reader.count_cells(run_id, Split.TEST)
        config, plan = reader.config(run_id), reader.plan(run_id)
    if run.status is not Status.COMPLETED:
        raise IllegalMove(f"Run {run_id} is {run.status}.", "Let it come to its end first: resume it.")
    if len(winner.arms) < 2:
        had = "one part that is new, which brings all that it gains" if winner.arms else "no part that is new"
        raise BadInput(f"The winner of run {run_id} has {had}.")
    config["ablate"] = True
    cap = (config.get("budget") or {}).get("max_program_runs")
    if cap is not None:
        config["budget"]["max_program_runs"] = max(cap, known + missing)
    with Store(store) as opened, opened.atomic():
        opened.update_config(run_id, config, plan)
        opened.sweep()
        opened.move(run_id, Status.QUEUED, "resumed", expect=Status.COMPLETED)
        opened.sign(run_id, "ablated")


def require_working(found: Mapping[str, Any], anyway: bool = False) -> None:
    """Refuse a request whose program or metric failed in the check.

    Raises:
        BadInput: with the lines to look at; not if `anyway`.
    """
    refusal = found.get("refusal")
    if refusal and not anyway:
        way = "Mend it, or start all the same (--start-anyway; from Python start_anyway=True)."
        refused = BadInput(refusal["message"], way)
        refused.frames = refusal["frames"]
        raise refused


def records_of(found: Mapping[str, Any]) -> list[Record]:
    """What a run begins with: its rows, what the check found and what it ran and spent."""
    # It takes long to import, and who only looks at runs never comes here.
    from pydantic import TypeAdapter

    examples = [Example(**{**row, "split": Split(row["split"])}) for row in found["records"]]
    cells: list[Cell] = TypeAdapter(list[Cell]).validate_python(found["rehearsal"]["cells"])
    spending: list[Spent] = TypeAdapter(list[Spent]).validate_python(found["rehearsal"]["burns"])
    sentences = [*found["warnings"], *found["consent"], *found["plan"]["notes"]]
    if found.get("refusal"):
        sentences.append(f"Started all the same: {found['refusal']['message']}")
    return [*examples, *cells, *spending, *(Event(EventKind.WARNING, {"text": text}) for text in sentences)]


def require_consent(found: Mapping[str, Any], agreed: bool) -> None:
    """Refuse a request with caps that cannot be held, unless a person knows and has agreed.

    Raises:
        BadInput: says which, and why.
    """
    if not agreed and (unheld := found.get("consent")):
        raise BadInput(" ".join(unheld), "Say --yes to start all the same.")
