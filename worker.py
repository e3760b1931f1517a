"""One run in one process: the only place where core, storage and models are put together.

Started with `mipro_studio.command("worker", ...)`:

run STORE RUN                    claim the run and work on it until it ends or stands still
inspect                          look at a request (JSON on standard input), say what is in it
export STORE RUN OUT CANDIDATE   save a candidate as a DSPy program; "" = the winner
files STORE RUN "" CANDIDATE     print it as program, snippet and plain messages (JSON)
verify STORE RUN K CANDIDATE     ask the saved program and the plain messages again
"""

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

# A worker reaches the run's endpoints and nothing else: LiteLLM would fetch a price list at import.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")

from mipro_studio import command
from mipro_studio.optimizer_core.assembly import Assembled, Past, assemble, key_variables, needs_weights
from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.errors import IllegalMove, LeaseLost, RunPaused, StopRequested, StudioError
from mipro_studio.optimizer_core.inspection import inspect_request
from mipro_studio.optimizer_core.run import Ending
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.optimizer_core.types import ChangeKind, Event, Status
from mipro_studio.storage import Reader, SqliteJournal, Store

LEASE_S = 6.0
BEAT_S = 1.0
SPENDING_S = 2.0
MIRROR_WAIT_S = 20.0


class _ScrubbedStream:
    """A text stream that never lets a key through; standard output and error of a worker go to a log file."""

    def __init__(self, stream: IO[str], scrubber: Scrubber) -> None:
        self._stream = stream
        self._scrubber = scrubber

    def write(self, text: str) -> int:
        return self._stream.write(self._scrubber.text(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Heart(threading.Thread):
    """Renews the lease, hears commands and notes the spending, on connections of its own."""

    def __init__(self, store: Path, run_id: str, worker_id: str, on_command: Callable[[str], None]) -> None:
        super().__init__(name="heart", daemon=True)
        self._path = store
        self._run_id = run_id
        self._worker_id = worker_id
        self._on_command = on_command
        self._quit = threading.Event()
        self._born = self._noted = time.monotonic()
        self._spent: dict[str, list[float | None]] = {}

    def run(self) -> None:
        store = Store(self._path)
        while not self._quit.wait(BEAT_S):
            try:
                self._beat(store)
            except LeaseLost:
                self._on_command("lost")
                return
            except StudioError as error:  # a full disk, say: the next beat may work, and the run itself will notice
                print(error, file=sys.stderr)

    def _beat(self, store: Store) -> None:
        store.beat(self._run_id, self._worker_id, LEASE_S)
        # Changes of the arms wait for the search, which takes them up between trials.
        commands = [asked for asked in store.pending_commands(self._run_id) if asked.kind not in {*ChangeKind}]
        for asked in commands:
            self._on_command(asked.kind)
        store.mark_handled([asked.id for asked in commands])
        self._note_spending(store)

    def _note_spending(self, store: Store) -> None:
        """Totals by role now and then, ever more rarely: hundreds in a long run and not thousands."""
        now = time.monotonic()
        if now - self._noted < max(SPENDING_S, 0.01 * (now - self._born)):
            return
        with Reader(self._path) as reader:
            burns = reader.burns(self._run_id)
        spent = {
            role.value: [usage.calls, usage.input_tokens, usage.output_tokens, usage.cost_usd]
            for role, usage in burns.items()
        }
        if spent != self._spent:
            SqliteJournal(store, self._run_id, self._worker_id).commit([Event("spending", spent)])
            self._spent, self._noted = spent, now

    def stop(self) -> None:
        self._quit.set()
        self.join()


class Mirror:
    """The process that keeps the run's Optuna study (`mirror.py`)."""

    def __init__(self, store: Path, run_id: str) -> None:
        self._process = subprocess.Popen(command("mirror", str(store), run_id), stdin=subprocess.PIPE)

    def close(self) -> None:
        """Let it take a last look, so that the study is whole when the run says that it has ended."""
        self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(MIRROR_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


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

    async def live(self) -> Ending:
        """Work until the run ends or stands still."""
        loop = asyncio.get_running_loop()
        early: list[str] = []
        assembled: list[Assembled] = []

        def hear(command: str) -> None:
            if assembled:
                _obey(assembled[0], command)
            else:
                early.append(command)  # until the run is put together

        def tell(command: str) -> None:
            loop.call_soon_threadsafe(hear, command)

        heart = Heart(self.store, self.run_id, self.worker_id, tell)
        heart.start()
        mirror = Mirror(self.store, self.run_id)
        loop.add_signal_handler(signal.SIGTERM, hear, "terminate")
        try:
            await _fetch_weights(self.config, self.journal)
            base = Path(self.config.base or ".")
            made = assemble(self.config, self.journal, base, self.past, scrubber=self.scrubber)
            assembled.append(made)
            for command in early:
                _obey(made, command)
            return await made.run.execute()
        finally:
            await asyncio.to_thread(mirror.close)  # the heart beats on: it may take longer than the lease
            heart.stop()


def run(store_path: Path, run_id: str) -> int:
    """Work on a queued run. Returns 0 whatever the run came to, 1 when it was not ours to run."""
    worker_id = f"{os.getpid()}-{secrets.token_hex(4)}"
    store = Store(store_path)
    with Reader(store_path) as reader:
        config = parse_config(reader.config(run_id))
        past = _past(reader, run_id, config)
    if not store.claim(run_id, worker_id, LEASE_S):
        print(f"Run {run_id} is not waiting for a worker.", file=sys.stderr)
        return 1
    scrubber = Scrubber(key_variables(config))
    sys.stdout = _ScrubbedStream(sys.stdout, scrubber)  # type: ignore[assignment]
    sys.stderr = _ScrubbedStream(sys.stderr, scrubber)  # type: ignore[assignment]
    journal = SqliteJournal(store, run_id, worker_id)
    life = Life(store_path, run_id, worker_id, config, journal, scrubber, past)
    _stand_in(config.base)
    try:
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
    journal.commit([Event("ended", {"status": ending.status.value, "reason": reason, "capped": ending.capped})])
    store.release(run_id, worker_id, ending.status, reason, reason if ending.status is Status.FAILED else "")
    return 0


def _past(reader: Reader, run_id: str, config: RunConfig) -> Past:
    approved = not config.review or any(command["kind"] == "approve" for command in reader.commands(run_id))
    ended = [event.data["status"] for _, _, event in reader.events_of(run_id, "ended", 1)]
    return Past(reader.run(run_id).wall_s, approved, ended == [Status.FAILED])


def _stand_in(base: str) -> None:
    """Make the folder that the run was started in the current one: the program opens its files relative to it."""
    if base and Path(base).is_dir():
        os.chdir(base)


def _obey(assembled: Assembled, command: str) -> None:
    match command:
        case "stop":
            assembled.run.request(StopRequested("Stopped by a person; this is the best so far."))
        case "pause":
            assembled.run.request(RunPaused("Paused by a person."))
        case "terminate":
            assembled.run.request(RunPaused("The worker was asked to end by the system.", "Resume the run."))
        case "lost":
            assembled.run.request(RunPaused("Another worker took the run over."))


async def _fetch_weights(config: RunConfig, journal: SqliteJournal) -> None:
    """Get the embedded model's weights, once a machine, telling how far it is."""
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
            note = "fetching the embedded model, in MB"
            payload = {"phase": "setup", "done": done // 10**6, "total": total // 10**6, "note": note}
            loop.call_soon_threadsafe(journal.commit, [Event("progress", payload)])

    await asyncio.to_thread(weights_path, report)


def inspect() -> int:
    request = json.loads(sys.stdin.read())
    scrubber = Scrubber()
    try:
        answer = inspect_request(request["config"], Path(request["cwd"]))
    except StudioError as error:
        answer = {"error": str(error), "predictors": list(getattr(error, "predictors", ()))}
        print("\n" + scrubber.text(json.dumps(answer)))
        return 2
    print("\n" + scrubber.text(json.dumps(answer, default=str)))
    return 0


def take_home(what: str, store: Path, run_id: str, argument: str, candidate: str) -> int:
    """Print what `takehome` makes of a candidate as the last line, as JSON: {error} when it cannot be had."""
    from mipro_studio import takehome

    scrubber = Scrubber(takehome.hidden_variables(store, run_id))
    answer: dict[str, Any] = {}
    try:
        if what == "export":
            takehome.export(store, run_id, Path(argument), candidate)
        elif what == "files":
            answer = takehome.files(store, run_id, candidate)
        else:
            answer = takehome.verified(store, run_id, int(argument), candidate)
    except StudioError as error:
        answer = {"error": str(error)}
    print("\n" + scrubber.text(json.dumps(answer, default=str)))
    return 2 if "error" in answer else 0


def main(arguments: list[str]) -> int:
    try:
        return _done(arguments)
    except IllegalMove as error:
        print(error, file=sys.stderr)
        return 1


def _done(arguments: list[str]) -> int:
    match arguments:
        case ["run", store, run_id]:
            return run(Path(store), run_id)
        case ["inspect"]:
            return inspect()
        case ["export" | "files" | "verify" as what, store, run_id, argument, candidate]:
            return take_home(what, Path(store), run_id, argument, candidate)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
