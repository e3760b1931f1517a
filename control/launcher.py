"""Start workers: one run is one detached process, user code is looked at in a process of its own.

Used by the pages and the command line. Imports neither streamlit nor dspy, so that both start fast.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from mipro_studio import ROOT, command, storage
from mipro_studio.optimizer_core.errors import BadInput, IllegalMove, StudioError
from mipro_studio.optimizer_core.files import PRIVATE_FILE, private_folder
from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.secrets import Scrubber, helper_environment
from mipro_studio.optimizer_core.sources import is_live
from mipro_studio.optimizer_core.types import Burn, Cell, Event, EventKind, Example, Record, Split, Status
from mipro_studio.storage import Reader, RunSummary, Store, log_path

__all__ = [
    "approve",
    "export",
    "export_files",
    "inspect",
    "open_app",
    "open_replay",
    "pack",
    "pause",
    "records_of",
    "require_consent",
    "require_working",
    "resume",
    "spawn",
    "start",
    "stop",
    "verify",
]

INSPECT_TIMEOUT_S = 300.0
OPEN_TIMEOUT_S = 120.0
LEASE_WAIT_S = 8.0


def open_app(arguments: Sequence[str] = ()) -> int:
    """Serve the pages until the person ends it. Returns Streamlit's exit code.

    Args:
        arguments: Options for `streamlit run`, such as `--server.port=8600`.
    """
    serve = [sys.executable, "-m", "streamlit", "run", str(ROOT / "app.py"), *arguments]
    with suppress(KeyboardInterrupt):  # Ctrl-C reaches Streamlit too, which ends by itself
        return subprocess.call(serve)
    return 0


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
    try:
        done = subprocess.run(
            command("worker", "inspect"),
            input=json.dumps({"config": config, "cwd": str(Path.cwd()), "rehearse": rehearse}),
            capture_output=True,
            text=True,
            timeout=INSPECT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BadInput(
            f"Looking at {config.get('program')!r} took longer than {INSPECT_TIMEOUT_S:.0f} s.",
            "Keep model calls and downloads out of the program file's top level.",
        ) from error
    lines = done.stdout.strip().splitlines()
    answer: dict[str, Any] = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    if "error" in answer:
        refused = BadInput(answer["error"])
        refused.predictors, refused.frames = answer.get("predictors", ()), answer.get("frames", ())
        raise refused
    if done.returncode != 0 or not answer:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        said = Scrubber(key_variables(config)).text(last)
        raise BadInput(f"Looking at {config.get('program')!r} ended with: {said}")
    return answer


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
    with Store(store) as opened:
        run_id = opened.create_run(
            name=found["name"],
            optimizer=found["config"]["optimizer"],
            seed=found["config"]["seed"],
            config={**found["config"], "start_anyway": anyway},
            plan=found["plan"],
            receipt=found["receipt"],
            records=records_of(found),
        )
    spawn(store, run_id)
    return run_id


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
    examples = [Example(**{**row, "split": Split(row["split"])}) for row in found["records"]]
    cells: list[Cell] = TypeAdapter(list[Cell]).validate_python(found["rehearsal"]["cells"])
    burns: list[Burn] = TypeAdapter(list[Burn]).validate_python(found["rehearsal"]["burns"])
    sentences = [*found["warnings"], *found["consent"], *found["plan"]["notes"]]
    if found.get("refusal"):
        sentences.append(f"Started all the same: {found['refusal']['message']}")
    return [*examples, *cells, *burns, *(Event(EventKind.WARNING, {"text": text}) for text in sentences)]


def require_consent(found: Mapping[str, Any], agreed: bool) -> None:
    """Refuse a request with caps that cannot be held, unless a person knows and has agreed.

    Raises:
        BadInput: says which, and why.
    """
    if not agreed and (unheld := found.get("consent")):
        raise BadInput(" ".join(unheld), "Say --yes to start all the same.")


def _fetch_weights(fetching: Callable[[], Any]) -> None:
    from mipro_studio.optimizer_core.models.embedded import weights_path, weights_present

    if not weights_present():
        with fetching() as report:
            weights_path(report)


def resume(store: Path, run_id: str, trials: int | None = None) -> str:
    """Queue a run that stands still and spawn a worker for it. Returns the run's whole id.

    One that is queued and whose worker never came is given another; of two workers one claims it.

    Args:
        trials: New number of trials in all; a completed run can only be resumed with more of them.

    Raises:
        StudioError: there is no such run, it works already, or it has nothing left to do.
    """
    summary = _standing_still(store, run_id)
    if summary.origin:
        raise IllegalMove(
            f"Run {summary.id} came from a replay file, so it is only shown.",
            "Start a run of your own with its settings (New run, from this run), where its program is.",
        )
    with Reader(store) as reader:
        config, plan = reader.config(summary.id), reader.plan(summary.id)
    _require_reachable(summary.id, config)
    more = trials is not None and trials > config["search"]["trials"]
    if summary.status is Status.COMPLETED and not more:
        raise BadInput(f"Run {summary.id} is completed.", "Resume it with --trials N for more trials.")
    with Store(store) as opened, opened.atomic():
        if more:
            config["search"]["trials"] = plan["trials"] = trials
            opened.update_config(summary.id, config, plan)
        opened.sweep()
        if summary.status is not Status.QUEUED:
            opened.move(summary.id, Status.QUEUED, "resumed")
    spawn(store, summary.id)
    return summary.id


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


def _command(store: Path, run_id: str, kind: str) -> None:
    with Reader(store) as reader:
        full_id = reader.run(run_id).id
    with Store(store) as opened:
        opened.command(full_id, kind)


def approve(store: Path, run_id: str) -> None:
    """Open the review gate of a run that waits at it, and let it go on."""
    with Reader(store) as reader:
        full_id = reader.run(run_id).id
        _require_reachable(full_id, reader.config(full_id))
    with Store(store) as opened, opened.atomic():
        opened.move(full_id, Status.QUEUED, "approved", expect=Status.AWAITING_REVIEW)
        opened.send(full_id, "approve")
    spawn(store, full_id)


def export(store: Path, run_id: str, out: Path, candidate: str = "") -> None:
    """Write a candidate (the winner if none is named) as a DSPy program, in a process that may import the program.

    Raises:
        BadInput: there is no winner yet, or the program cannot be imported any more.
    """
    _take_home("export", store, run_id, str(out.resolve()), candidate)


def export_files(store: Path, run_id: str, candidate: str = "") -> dict[str, str]:
    """A candidate as {candidate, program, snippet, messages}: texts to save, see `takehome.files`.

    Raises:
        BadInput: as `export`.
    """
    return _take_home("files", store, run_id, "", candidate)


def verify(store: Path, run_id: str, k: int, candidate: str = "") -> dict[str, Any]:
    """Ask the exported program and its plain messages on `k` scored examples, see `takehome.verified`.

    Raises:
        BadInput: as `export`; or the model cannot be had.
    """
    return _take_home("verify", store, run_id, str(k), candidate)


def _take_home(what: str, store: Path, run_id: str, argument: str, candidate: str) -> dict[str, Any]:
    try:
        done = subprocess.run(
            command("worker", what, str(store.resolve()), run_id, argument, candidate),
            capture_output=True,
            text=True,
            timeout=INSPECT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BadInput(
            f"The program took longer than {INSPECT_TIMEOUT_S:.0f} s.", "Ask it on fewer examples."
        ) from error
    lines = done.stdout.strip().splitlines()
    answer: dict[str, Any] = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    if "error" in answer:
        raise BadInput(answer["error"])
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        with Reader(store) as reader:
            scrubber = Scrubber(key_variables(reader.config(reader.run(run_id).id)))
        raise BadInput(f"Loading the program ended with: {scrubber.text(last)}")
    return answer


def pack(store: Path, run_id: str, out: Path) -> None:
    """Write a run as one file that any studio shows without model, key or program: a replay.

    Keys are blacked out once more, and folders of this machine are cut from the texts.

    Raises:
        StudioError: there is no such run, or it is still working.
    """
    with Reader(store) as reader:
        full_id = reader.run(run_id).id
        config = reader.config(full_id)
    scrubber = Scrubber(key_variables(config))
    folders = sorted({f"{folder}/" for folder in (config.get("base"), str(Path.home())) if folder}, key=len)[::-1]

    def scrub(value: Any) -> Any:
        return scrubber.record(_without(folders, value))

    storage.pack(store, full_id, out, scrub)


def _without(folders: Sequence[str], value: Any) -> Any:
    if isinstance(value, str):
        for folder in folders:
            value = "" if value == folder[:-1] else value.replace(folder, "")
        return value
    if isinstance(value, Mapping):
        return {name: _without(folders, item) for name, item in value.items()}
    return [_without(folders, item) for item in value] if isinstance(value, list) else value


def open_replay(store: Path, file: Path, name: str = "") -> str:
    """Take a replay file into the store, to be shown only. Returns the run's id.

    It is read in a process of its own, which may take so much time and memory and no more.

    Args:
        name: What to call the file, when `file` is a copy with another name.

    Raises:
        BadInput: it is not a replay file.
    """

    called = name or file.name
    try:
        done = subprocess.run(
            command("commands.helper_server", "open", str(store.absolute()), str(file.absolute()), called),
            capture_output=True,
            text=True,
            timeout=OPEN_TIMEOUT_S,
            check=False,
            env={**helper_environment(), "OPENBLAS_NUM_THREADS": "1"},
        )
        answer = json.loads((done.stdout.strip().splitlines() or ["{}"])[-1])
    except (subprocess.TimeoutExpired, ValueError):
        answer = {}
    if "run_id" not in answer:
        too_much = f"Reading {called!r} took more time or memory than any replay file should."
        raise BadInput(answer.get("error") or too_much, "" if answer else "Ask for it to be packed again.")
    return str(answer["run_id"])


def spawn(store: Path, run_id: str) -> int:
    """Start the worker of a QUEUED run in a session of its own, so that it outlives us. Returns its pid."""
    log = log_path(store, run_id)
    try:
        private_folder(log.parent)
        out = os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, PRIVATE_FILE), "ab")
    except OSError as error:
        raise StudioError(f"The log {log} cannot be written: {error.strerror}.", "Check its folder.") from error
    with out:
        os.fchmod(out.fileno(), PRIVATE_FILE)
        try:
            process = subprocess.Popen(
                command("worker", "run", str(store.resolve()), run_id),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        except OSError as error:
            raise StudioError(f"The worker could not be started: {error}.") from error
    _reap(process)
    return process.pid


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Collect the worker's exit in the background: a dead child that nobody waits for stays in the process table."""
    threading.Thread(target=process.wait, name=f"reap-{process.pid}", daemon=True).start()
