"""One run in one process: the only place where core, storage and models are put together.

Started with `mipro_studio.command("worker", ...)`:

run STORE RUN                    claim the run and work on it until it ends or stands still
inspect                          look at a request (JSON on standard input), say what is in it
gate                             hold two programs against each other on a request (JSON on standard input)
push                             log a candidate elsewhere, on a request (JSON on standard input)
export STORE RUN OUT CANDIDATE   save a candidate as a DSPy program; "" = the winner
files STORE RUN "" CANDIDATE     print it as program, snippet and plain messages (JSON)
verify STORE RUN K CANDIDATE     ask the saved program and the plain messages again
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# A worker reaches the run's endpoints and nothing else: LiteLLM would fetch a price list at import.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")

from mipro_studio.control.asking import telling
from mipro_studio.control.family import end_rest_of_session
from mipro_studio.control.heartbeat import LEASE_S, Heartbeat, Waiting
from mipro_studio.control.worker_children import Keeper, Mirror, worker_name
from mipro_studio.optimizer_core import telemetry
from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.environment import keep_keys_back, withhold_of
from mipro_studio.optimizer_core.errors import LeaseLost, RunPaused, StopRequested, StudioError
from mipro_studio.optimizer_core.evaluation.pool import switch_often
from mipro_studio.optimizer_core.evaluation.tracebacks import frames_of, where
from mipro_studio.optimizer_core.inspection import inspect_request
from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.runs.assembly import Assembled, Past, assemble, needs_weights
from mipro_studio.optimizer_core.runs.limit_watch import watch
from mipro_studio.optimizer_core.runs.plan import planned_anew
from mipro_studio.optimizer_core.runs.run import GRACE_S, Ending
from mipro_studio.optimizer_core.secrets import Scrubber, refuse_secrets
from mipro_studio.optimizer_core.types import Event, EventKind, Status
from mipro_studio.storage import Reader, SqliteJournal, Store, tunings_folder

EXIT_S = 5.0


@dataclass(frozen=True)
class Host:
    """A process that is not the worker's own: its signals and its current folder stay as they are.

    Attributes:
        secrets: Keys that its objects hold, beside those in the environment.
    """

    secrets: tuple[str, ...] = ()


@dataclass(frozen=True)
class Life:
    """One worker's time with a run: what it needs and where it writes."""

    store: Path
    run_id: str
    worker_id: str
    config: RunConfig
    journal: SqliteJournal
    scrubber: Scrubber
    past: Past
    waiting: Waiting
    tend: Callable[[], None]
    host: Host | None = None

    async def live(self) -> Ending:
        """Work until the run ends or stands still."""
        loop = asyncio.get_running_loop()
        heard: list[str] = []
        assembled: list[Assembled] = []
        watching: list[asyncio.Task[None]] = []

        def hear(command: str) -> None:
            heard.append(command)
            if assembled:
                _obey(assembled[0], command)

        def tell(command: str) -> None:
            loop.call_soon_threadsafe(hear, command)

        heartbeat = Heartbeat(self.store, self.run_id, self.worker_id, tell, self.waiting, self.tend)
        heartbeat.start()
        mirror = Mirror(self.store, self.run_id)
        if self.host is None:
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
                loop.add_signal_handler(number, hear, "terminate")
        try:
            await _fetch_weights(self.config, self.journal)
            base = Path(self.config.base or ".")
            made = assemble(self.config, self.journal, base, self.past, scrubber=self.scrubber)
            assembled.append(made)
            for command in heard:
                _obey(made, command)
            if made.context.meter.limits is not None:
                watching.append(asyncio.create_task(watch(made.context.meter.limits, made.context.recorder)))
            return await made.run.execute(heartbeat.settled)
        finally:
            # The heart beats on: it may take longer than the lease.
            await asyncio.to_thread(mirror.close, "stop" in heard)
            heartbeat.stop()
            for task in watching:
                task.cancel()
            for made in assembled:
                made.executor.close()


def run(store_path: Path, run_id: str) -> int:
    """Work on a queued run in a process of its own, whose log a keeper writes. Returns what `live` does."""
    with Reader(store_path) as reader:
        variables = key_variables(reader.config(run_id))
    switch_often()
    life = worker_name()
    keeper = Keeper(store_path, run_id, life, variables)
    try:
        return live(store_path, run_id, life, keeper.tend)
    finally:
        telemetry.flush()


def live(
    store_path: Path,
    run_id: str,
    worker_id: str,
    tend: Callable[[], None] = lambda: None,
    host: Host | None = None,
) -> int:
    """One life of a queued run. Returns 0 whatever the run came to, 1 when it was not ours to run.

    Args:
        tend: Called once a second.
        host: The process, where it is not a worker's own.
    """
    waiting = Waiting()
    store = Store(store_path, patience=waiting)
    with Reader(store_path) as reader:
        stored = reader.config(run_id)
        config, plan = parse_config(stored), reader.plan(run_id)
        past = _past(reader, run_id, config)
    if not store.claim(run_id, worker_id, LEASE_S):
        print(f"Run {run_id} is not waiting for a worker.", file=sys.stderr)
        return 1
    if (anew := planned_anew(config, plan)) != plan:  # of more trials, say
        store.update_plan(run_id, worker_id, anew)
    withhold_of(stored)
    scrubber = Scrubber(key_variables(stored))
    scrubber.hide(*(host.secrets if host is not None else ()))
    journal = SqliteJournal(store, run_id, worker_id)
    life = Life(store_path, run_id, worker_id, config, journal, scrubber, past, waiting, tend, host)
    if host is None:
        _stand_in(config.base)
    try:
        telemetry.switch_on_if_asked(run=run_id)
        ending = asyncio.run(life.live())
    except LeaseLost:
        traceback.print_exc()
        return 1
    except StudioError as failure:
        ending = Ending(Status.FAILED, str(failure))
    except Exception as failure:  # noqa: BLE001 - the last guard: the run must say that it failed
        traceback.print_exc()
        ending = Ending(Status.FAILED, f"The studio failed: {type(failure).__name__}: {failure}. See the log.")
    reason = scrubber.text(ending.reason)
    with Reader(store_path) as reader:
        run = reader.run(run_id)
    how = {"capped": ending.capped, "given_up": ending.given_up, "cells": run.cells_ok + run.cells_error}
    journal.commit([Event(EventKind.ENDED, {"status": ending.status.value, "reason": reason, **how})])
    store.release(run_id, worker_id, ending.status, reason, reason if ending.status is Status.FAILED else "")
    if host is None and ending.status is not Status.COMPLETED:
        print(f"The run is {ending.status.replace('_', ' ')}. {reason}", file=sys.stderr, flush=True)
    return 0


def _past(reader: Reader, run_id: str, config: RunConfig) -> Past:
    approvals = sum(command["kind"] == "approve" for command in reader.commands(run_id))
    approved = not config.review or approvals > 0
    again = reader.failed_before_mending(run_id)
    jobs = tunings_folder(reader.path, run_id)
    return Past(reader.run(run_id).wall_s, approved, approvals, again, jobs, _completed(reader, run_id))


def _completed(reader: Reader, run_id: str) -> Ending | None:
    """How the run was completed, however often it was ablated since."""
    ended = [event.data for _, _, event in reader.events_of(run_id, EventKind.ENDED, 1_000)]
    done = [data for data in ended if data.get("status") == Status.COMPLETED.value]
    return Ending(Status.COMPLETED, done[-1]["reason"], capped=bool(done[-1].get("capped"))) if done else None


def _stand_in(base: str) -> None:
    """Make the folder that the run was started in the current one: the program opens its files relative to it."""
    if base and Path(base).is_dir():
        os.chdir(base)


def _obey(assembled: Assembled, command: str) -> None:
    match command.split():
        case ["stop"]:
            assembled.run.request(StopRequested("Stopped by a person; this is the best so far."), GRACE_S)
        case ["pause"]:
            assembled.run.request(RunPaused("Paused by a person."))
        case ["terminate"]:
            ended = RunPaused("The worker was asked to end by the system.", "Resume the run.")
            assembled.run.request(ended, GRACE_S)
        case ["lost"]:
            assembled.run.request(RunPaused("Another worker took the run over."), 0.0)
        case ["limit", at_once] if assembled.context.meter.limits is not None:
            assembled.context.meter.limits.hold(int(at_once))


async def _fetch_weights(config: RunConfig, journal: SqliteJournal) -> None:
    """Get the embedded model's weights, once a machine, telling how far it is, in MB."""
    if not needs_weights(config):
        return
    from mipro_studio.optimizer_core.models.embedded import weights_path, weights_present

    if weights_present():
        return
    loop = asyncio.get_running_loop()
    last = 0.0

    def report(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > 0.5:
            last = time.monotonic()
            note = "fetching the embedded model"
            payload = {"phase": "setup", "done": done // 10**6, "total": total // 10**6, "note": note}
            loop.call_soon_threadsafe(journal.commit, [Event(EventKind.PROGRESS, payload)])

    await asyncio.to_thread(weights_path, report)


def inspect() -> int:
    tell = telling()
    request = json.loads(sys.stdin.read())
    withhold_of(request["config"])
    scrubber = Scrubber(key_variables(request["config"]))
    base = Path(request["cwd"])
    try:
        refuse_secrets(request["config"])
        answer = inspect_request(request["config"], base, rehearse=request["rehearse"])
    except StudioError as error:
        frames = frames_of(error.__cause__, base) if error.__cause__ is not None else ()
        at = f" At {where(frames)}." if where(frames) else ""
        shown = frames if at else ()  # lines of libraries alone help nobody
        answer = {"error": f"{error}{at}", "frames": shown, "fields": dict(getattr(error, "fields", {}))}
        tell(scrubber.text(json.dumps(answer)))
        return 2
    tell(scrubber.text(json.dumps(answer, default=str)))
    if answer["rehearsal"]["unfinished"]:
        end_rest_of_session()
        os._exit(0)  # a row that hangs, or a thread of its own making, would keep this process from ending
    return 0


def answer_request(what: str) -> int:
    """Print what is made of a request on standard input, as JSON: {error} when it cannot be done."""
    tell = telling()
    request = json.loads(sys.stdin.read())
    withhold_of(request["config"])
    scrubber = Scrubber(key_variables(request["config"]))
    try:
        refuse_secrets(request["config"])
        answer = _pushed(request) if what == "push" else _held(request)
    except StudioError as error:
        answer = {"error": str(error)}
    tell(scrubber.text(json.dumps(answer, default=str)))
    return 2 if "error" in answer else 0


def _held(request: dict[str, Any]) -> dict[str, Any]:
    from mipro_studio.control.gating import gate

    return gate(request)


def _pushed(request: dict[str, Any]) -> dict[str, Any]:
    from mipro_studio.control.pushing import langfuse_push, mlflow_push, wandb_push

    places = {"langfuse": langfuse_push.push, "mlflow": mlflow_push.push, "wandb": wandb_push.push}
    push = places[request["target"]["to"]]
    return push(Path(request["store"]), request["run"], request["target"], request["candidate"])


def take_home(what: str, store: Path, run_id: str, argument: str, candidate: str) -> int:
    """Print what `takehome` makes of a candidate, as JSON: {error} when it cannot be had."""
    from mipro_studio.control import exports

    tell = telling()
    config = exports.stored_config(store, run_id)
    withhold_of(config)
    scrubber = Scrubber(key_variables(config))
    answer: dict[str, Any] = {}
    try:
        if what in ("export", "merged"):
            written = exports.export(store, run_id, Path(argument), candidate, merged=what == "merged")
            answer = {"written": [str(path) for path in written]}
        elif what == "files":
            answer = exports.files(store, run_id, candidate)
        else:
            answer = exports.verified(store, run_id, int(argument), candidate)
    except StudioError as error:
        answer = {"error": str(error)}
    tell(scrubber.text(json.dumps(answer, default=str)))
    return 2 if "error" in answer else 0


def main(arguments: list[str]) -> int:
    keep_keys_back()
    try:
        return _done(arguments)
    except StudioError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        with suppress(OSError, ValueError):  # a program may have closed it
            sys.stdout.flush()
        if arguments[:1] != ["run"]:  # what a run leaves behind its keeper ends
            end_rest_of_session()
        # A thread or an exit handler of the program's that never ends must not keep a process that is done.
        end = threading.Timer(EXIT_S, os._exit, [0])
        end.daemon = True
        end.start()


def _done(arguments: list[str]) -> int:
    match arguments:
        case ["run", store, run_id]:
            return run(Path(store), run_id)
        case ["inspect"]:
            return inspect()
        case ["gate" | "push" as what]:
            return answer_request(what)
        case ["export" | "merged" | "files" | "verify" as what, store, run_id, argument, candidate]:
            return take_home(what, Path(store), run_id, argument, candidate)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
