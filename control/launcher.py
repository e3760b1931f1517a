"""A run's life from outside: start it, let it go on, stop it. One run is one detached process.

Used by the pages and the command line. Imports neither streamlit nor dspy, so that both start fast.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from mipro_studio import ROOT, command
from mipro_studio.control.heartbeat import LIMIT
from mipro_studio.control.new_runs import (
    inspect,
    queue,
    queue_ablation,
    queue_approved,
    require_consent,
    require_working,
)
from mipro_studio.optimizer_core.catalogue import OPTIMIZERS
from mipro_studio.optimizer_core.environment import worker_environment
from mipro_studio.optimizer_core.errors import BadInput, IllegalMove, StudioError
from mipro_studio.optimizer_core.files import open_log
from mipro_studio.optimizer_core.sources import is_live
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader, RunSummary, Store, log_path

__all__ = ["ablate", "approve", "limit", "open_app", "pause", "resume", "spawn", "start", "stop"]

LEASE_WAIT_S = 8.0


def open_app(arguments: Sequence[str] = ()) -> NoReturn:
    """Become the process that serves the pages, so that a container's or a service manager's signals reach it.

    Args:
        arguments: Options for `streamlit run`, such as `--server.port=8600`.
    """
    os.execv(sys.executable, [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), *arguments])


def start(
    store: Path,
    config: dict[str, Any],
    fetching: Callable[[], Any] | None = None,
    found: Mapping[str, Any] | None = None,
    *,
    anyway: bool = False,
    agreed: bool = False,
) -> str:
    """Check the request, store the run as QUEUED and spawn its worker. Returns the run's id.

    Args:
        fetching: Context manager that yields a progress callback; given, the embedded model's weights are
            fetched here, before anything is created. Otherwise the worker fetches them.
        found: What `inspect` said of this request, if it was asked before. Its program runs are taken over.
        anyway: Start although the program or the metric failed on the rows it was tried on.
        agreed: A person knows of the caps that cannot be held.

    Raises:
        BadInput, ModelUnavailable: nothing was created.
    """
    found = found or inspect(config)
    require_working(found, anyway)
    require_consent(found, agreed)
    if found["needs_weights"] and fetching is not None:
        _fetch_weights(fetching)
    run_id = queue(store, found, anyway)
    spawn(store, run_id)
    return run_id


def _fetch_weights(fetching: Callable[[], Any]) -> None:
    from mipro_studio.optimizer_core.models.embedded import weights_path, weights_present

    if not weights_present():
        with fetching() as report:
            weights_path(report)


def resume(store: Path, run_id: str, trials: int | None = None, *, despite_errors: bool = False) -> str:
    """Queue a run that stands still and spawn a worker for it. Returns the run's whole id.

    One that is queued and whose worker never came is given another; of two workers one claims it.

    Args:
        trials: New number of trials in all; a completed run can only be resumed with more of them.
        despite_errors: Go on although (nearly) every program run fails, from now on.

    Raises:
        StudioError: there is no such run, it works already, or it has nothing left to do.
    """
    summary = _standing_still(store, run_id)
    _require_own(summary)
    with Reader(store) as reader:
        reader.require_whole(summary.id)
        config, plan = reader.config(summary.id), reader.plan(summary.id)
    _require_reachable(summary.id, config)
    more = trials is not None and trials > config["search"]["trials"]
    if summary.status is Status.COMPLETED and not more:
        raise BadInput(f"Run {summary.id} is completed.", "Resume it with --trials N for more trials.")
    listed = OPTIMIZERS.get(summary.optimizer)
    if summary.status is Status.COMPLETED and listed is not None and listed.bounded:
        raise BadInput(f"Run {summary.id} is completed. {listed.bounded}", "Start a new run with other settings.")
    if more:
        config["search"]["trials"] = plan["trials"] = trials
        config["ablate"] = False
    if despite_errors:
        config["despite_errors"] = True
    with Store(store) as opened, opened.atomic():
        if more or despite_errors:
            opened.update_config(summary.id, config, plan)
        opened.sweep()
        if summary.status is not Status.QUEUED:
            opened.move(summary.id, Status.QUEUED, "resumed")
        opened.sign(summary.id, "resumed")
    spawn(store, summary.id)
    return summary.id


def ablate(store: Path, run_id: str) -> str:
    """Queue a completed run again to score its winner without each of its parts, and spawn a worker for it.

    The program runs are the parts times the validation rows, less what is known already; a cap on them is raised by
    as many as do not fit. Returns the run's whole id.

    Raises:
        StudioError: there is no such run, it has no winner (yet), or its program cannot be reached from here.
    """
    summary = _standing_still(store, run_id)
    _require_own(summary)
    with Reader(store) as reader:
        config = reader.config(summary.id)
    _require_reachable(summary.id, config)
    queue_ablation(store, summary.id)
    spawn(store, summary.id)
    return summary.id


def _require_own(summary: RunSummary) -> None:
    if summary.origin:
        raise IllegalMove(
            f"Run {summary.id} came from a replay file, so it is only shown.",
            "Start a run of your own with its settings (New run, from this run), where its program is.",
        )


def _require_reachable(run_id: str, config: Mapping[str, Any]) -> None:
    """Refuse a run whose program is an object of somebody's Python process: no worker can have it."""
    if is_live(config.get("program")):
        raise IllegalMove(
            f"The program of run {run_id} is an object of the Python process that started it.",
            f"Go on there, with optimize(..., resume={run_id!r}).",
        )


def _standing_still(store: Path, run_id: str) -> RunSummary:
    """The run, after waiting for the lease of a worker that may have died a moment ago."""
    deadline = time.monotonic() + LEASE_WAIT_S
    while True:
        with Reader(store) as reader:
            summary = reader.run(run_id)
        if summary.status is not Status.RUNNING:
            return summary
        if time.monotonic() > deadline:
            raise IllegalMove(f"Run {summary.id} is running: its worker is alive.", "Watch it, or stop it first.")
        time.sleep(0.5)


def stop(store: Path, run_id: str) -> None:
    """Ask a working run to end with the best so far; end one that stands still.

    Raises:
        StudioError: there is no such run, or it has ended.
    """
    _command(store, run_id, "stop")


def pause(store: Path, run_id: str) -> None:
    """Ask a working run to stand still. What is under way is finished first."""
    _command(store, run_id, "pause")


def limit(store: Path, run_id: str, at_once: int) -> None:
    """Let a working run make no more than `at_once` calls to an endpoint at a time; its threads are the most.

    Raises:
        BadInput: `at_once` is below 1.
        IllegalMove: it is not running.
    """
    if at_once < 1:
        raise BadInput(f"{at_once} calls at once are none.", "Pause the run to let it make none.")
    with Reader(store) as reader:
        summary = reader.run(run_id)
    if summary.status is not Status.RUNNING:
        raise IllegalMove(f"Run {summary.id} is {summary.status}, so it makes no calls.", "Resume it first.")
    with Store(store) as opened:
        opened.send(summary.id, LIMIT, {"at_once": at_once})


def _command(store: Path, run_id: str, kind: str) -> None:
    with Reader(store) as reader:
        full_id = reader.run(run_id).id
    with Store(store) as opened:
        opened.command(full_id, kind)


def approve(store: Path, run_id: str) -> None:
    """Open the review gate of a run that waits at it, and let it go on."""
    with Reader(store) as reader:
        full_id = reader.run(run_id).id
        reader.require_whole(full_id)
        _require_reachable(full_id, reader.config(full_id))
    with Store(store) as opened, opened.atomic():
        queue_approved(opened, full_id)
    spawn(store, full_id)


def spawn(store: Path, run_id: str) -> int:
    """Start the worker of a QUEUED run in a session of its own, so that it outlives us. Returns its pid."""
    log = log_path(store, run_id)
    try:
        out = open_log(log)
    except OSError as error:
        raise StudioError(f"The log {log} cannot be written: {error.strerror}.", "Check its folder.") from error
    with out:
        try:
            process = subprocess.Popen(
                command("worker", "run", str(store.resolve()), run_id),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**worker_environment(), "PYTHONUNBUFFERED": "1"},
            )
        except OSError as error:
            raise StudioError(f"The worker could not be started: {error}.") from error
    _reap(process)
    return process.pid


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Collect the worker's exit in the background: a dead child that nobody waits for stays in the process table."""
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
