"""`optimize`: a run whose worker is a thread of the caller's process."""

import asyncio
import contextvars
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Unpack

import dspy

from mipro_studio import worker
from mipro_studio.control import launcher, new_runs
from mipro_studio.control.worker_children import worker_name
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.errors import BadInput, IllegalMove, RunFailed, RunPaused, StudioError
from mipro_studio.optimizer_core.exports.export import build_program, put_tuned_models
from mipro_studio.optimizer_core.inspection import inspect_request
from mipro_studio.optimizer_core.parameters.seed_program import seed_program
from mipro_studio.optimizer_core.parameters.weights import tuned_of
from mipro_studio.optimizer_core.programs.live_objects import offered
from mipro_studio.optimizer_core.secrets import Scrubber, refuse_secrets
from mipro_studio.optimizer_core.types import Candidate, Status
from mipro_studio.python_call.display import Display, display_for
from mipro_studio.python_call.request import Metric, Options, Request, Rows, live_name, make_request, store_of
from mipro_studio.python_call.result import Result, read_result
from mipro_studio.storage import Reader, RunSummary, Store, default_store

__all__ = ["aoptimize", "optimize"]

LOOK_S = 0.5
_settings: Any = sys.modules[type(dspy.settings).__module__]


def optimize(
    program: dspy.Module | str,
    *,
    trainset: Rows | None = None,
    metric: Metric | str | None = None,
    valset: Rows | None = None,
    testset: Rows | None = None,
    **options: Unpack[Options],
) -> Result:
    """Optimize a live program, in this process; the run is in the store and opens in the app while it works.

    Args:
        program: A `dspy.Module` of this process, which stays as it is; or what the command line takes.
        trainset: Examples with their inputs named (`with_inputs`). Without a valset half of them validate.
        metric: `metric(example, prediction, trace=None)` as in DSPy, higher is better; or a built-in one's name.
        valset: Examples that candidates are compared on.
        testset: Examples that are scored once, for the baseline and the winner.
        options: See `Options`.

    Raises:
        BadInput: it cannot work as asked; no run was created.
        RunFailed: the run ended without a winner; its id and the reason are in the message.
        RunPaused: it stands still (an endpoint that is down, a pause from the app, (nearly) every program run fails);
            `resume=` goes on with it.
    """
    call = _Call(make_request(program, metric, {"train": trainset, "val": valset, "test": testset}, options), options)
    call.begin()
    try:
        call.follow()
    except KeyboardInterrupt:
        call.stop()
        call.follow()  # a second one leaves it working
    return call.result()


async def aoptimize(
    program: dspy.Module | str,
    *,
    trainset: Rows | None = None,
    metric: Metric | str | None = None,
    valset: Rows | None = None,
    testset: Rows | None = None,
    **options: Unpack[Options],
) -> Result:
    """`optimize` for code that awaits: the event loop goes on meanwhile. Cancelled, it asks the run to stop."""
    call = _Call(make_request(program, metric, {"train": trainset, "val": valset, "test": testset}, options), options)
    call.begin()
    try:
        while not call.is_over():
            call.show()
            await asyncio.sleep(LOOK_S)
    except asyncio.CancelledError:
        call.stop()
        raise
    call.show()
    return call.result()


class _Call:
    """One call: the thread that its run works in, and the view of it."""

    def __init__(self, request: Request, options: Options) -> None:
        self._request = request
        self._store = store_of(options, default_store())
        self._resume = options.get("resume", "")
        self._ablate = options.get("ablate", False)
        if self._ablate and not self._resume:
            raise BadInput("What is to be ablated is not named.", "Name a completed run with resume=.")
        self._anyway = options.get("start_anyway", False)
        self._despite_errors = options.get("despite_errors", False)
        self._display: Display = display_for(options.get("display", "auto"))
        self._base = Path.cwd()
        self._run_id = ""
        self._done: Future[Result] = Future()

    def begin(self) -> None:
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._work,), name="mipro-studio", daemon=True).start()

    def is_over(self) -> bool:
        return self._done.done()

    def follow(self) -> None:
        """Show the run until it is over."""
        while not self._done.done():
            self.show()
            with suppress(TimeoutError):
                self._done.exception(LOOK_S)
        self.show()

    def show(self) -> None:
        if self._run_id:
            self._display.show(self._store, self._run_id)

    def stop(self) -> None:
        """Ask the run to end with the best so far."""
        if self._run_id and not self._done.done():
            with Reader(self._store) as reader:
                works = reader.run(self._run_id).status is Status.RUNNING
            if works:
                launcher.stop(self._store, self._run_id)

    def result(self) -> Result:
        return self._done.result()

    # In the run's thread

    def _work(self) -> None:
        try:
            with _settings_kept(self._request):
                self._done.set_result(self._optimized())
        except BaseException as error:  # noqa: BLE001 - it is raised where the call was made
            self._done.set_exception(error)

    def _optimized(self) -> Result:
        name = self._home()
        with offered(self._request.objects, self._request.configured, name) as home:
            run_id = self._queued_again() if self._resume else self._created(home)
            self._run_id = run_id
            if worker.live(self._store, run_id, worker_name(), host=worker.Host(self._request.secrets)):
                raise IllegalMove(f"Run {run_id} is worked on elsewhere.", "Watch it in the app, or stop it first.")
            return self._read(run_id)

    def _home(self) -> str:
        if not self._resume:
            return ""
        with Reader(self._store) as reader:
            return live_name(reader.config(reader.run(self._resume).id))

    def _created(self, home: str) -> str:
        values = self._request.named(home)
        refuse_secrets(values)
        scrubber = Scrubber()
        scrubber.hide(*self._request.secrets)
        found = scrubber.record(inspect_request(values, self._base))
        new_runs.require_working(found, self._anyway)
        new_runs.require_consent(found, True)
        return new_runs.queue(self._store, found, self._anyway)

    def _queued_again(self) -> str:
        with Reader(self._store) as reader:
            summary = reader.run(self._resume)
            config, plan = reader.config(summary.id), reader.plan(summary.id)
        if self._ablate:
            new_runs.queue_ablation(self._store, summary.id)
            return summary.id
        if summary.status is Status.COMPLETED:
            raise BadInput(
                f"Run {summary.id} is completed.",
                "Ask for another one, with its program as it is now, or with ablate=True what each part brings.",
            )
        with Store(self._store) as opened, opened.atomic():
            opened.sweep()
            if self._despite_errors:
                opened.update_config(summary.id, {**config, "despite_errors": True}, plan)
            if summary.status is Status.AWAITING_REVIEW:
                new_runs.queue_approved(opened, summary.id)
            else:
                opened.move(summary.id, Status.QUEUED, "resumed")
        return summary.id

    def _read(self, run_id: str) -> Result:
        with Reader(self._store) as reader:
            summary, outcome = reader.run(run_id), reader.outcome(run_id)
            config = parse_config(reader.config(run_id))
            arms, given_up = reader.arms(run_id), reader.given_up(run_id)
            tunings = reader.tunings(run_id)
        if outcome is not None and outcome.winner and summary.status in (Status.COMPLETED, Status.STOPPED):
            program = seed_program(config, self._base)
            winner = Candidate.parse(outcome.winner)
            module = build_program(config, program, arms, winner)
            tuned = tuned_of(winner, [info.name for info in program.predictors], tunings)
            put_tuned_models(module, config, program, tuned)
            module._compiled = True
            return read_result(self._store, run_id, module)
        raise _why(summary, given_up)


def _why(run: RunSummary, given_up: bool) -> StudioError:
    words = f"Run {run.id} has no winner ({run.status.value}). {run.reason or run.error}".strip()
    if run.status in (Status.PAUSED, Status.AWAITING_REVIEW, Status.LOST):
        as_it_is = ", despite_errors=True as it is" if given_up else ""
        return RunPaused(words, f"Go on with optimize(..., resume={run.id!r}){as_it_is}.")
    return RunFailed(words, "The app shows what happened.")


@contextmanager
def _settings_kept(request: Request) -> Iterator[None]:
    """What importing a person's file changes in this process (`sys.path`, DSPy's settings and who may change them) is
    set back; live objects are not imported, and change nothing."""
    if "program" in request.objects:
        yield
        return
    owners = (_settings.config_owner_thread_id, _settings.config_owner_async_task)
    config, path = dict(_settings.main_thread_config), list(sys.path)
    try:
        yield
    finally:
        _settings.config_owner_thread_id, _settings.config_owner_async_task = owners
        sys.path[:] = path
        for name, value in config.items():
            _settings.main_thread_config[name] = value
