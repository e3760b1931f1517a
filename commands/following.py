"""A run followed to its end: a live display on a terminal, plain lines in a pipe."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from mipro_studio.commands.called_as import called_as
from mipro_studio.commands.output import exit_code, print_facts, print_json, run_facts
from mipro_studio.control import launcher
from mipro_studio.optimizer_core.types import EventKind, Status
from mipro_studio.storage import LiveView, Reader, RunSummary
from mipro_studio.ui.text.format import score

__all__ = ["fetching", "follow", "lines", "to_the_end"]

POLL_S = 0.5
LOST_S = 15.0
"""A busy machine may hold a worker up past its lease, after which it goes on: only then is the run given up."""
WORKS = frozenset({Status.QUEUED, Status.RUNNING})


def follow(store: Path, run_id: str, as_json: bool) -> None:
    """Follow a run, show what it came to, and end the command with the exit code that says how."""
    facts = to_the_end(store, run_id, quiet=as_json)
    if as_json:
        print_json(facts)
    raise typer.Exit(exit_code(facts))


@contextmanager
def fetching() -> Iterator[Any]:
    """A progress bar for the embedded model's weights; yields `report(done_bytes, total_bytes)`."""
    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=console) as progress:
        task = progress.add_task("fetching the embedded model (once)", total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield report


def to_the_end(store: Path, run_id: str, quiet: bool) -> dict[str, Any]:
    """Follow a run until it ends or stands still. Ctrl-C asks it to stop; a second one leaves it working alone."""
    console = Console(stderr=quiet)
    watch = _bar(console, store, run_id) if console.is_terminal else lines(console, store, run_id)
    asked = False
    while True:
        try:
            for _ in watch:
                time.sleep(POLL_S)
            break
        except KeyboardInterrupt:
            if asked:
                console.print(f"Left working: {called_as()} show {run_id}")
                break
            asked = True
            console.print("Stopping with the best so far; Ctrl-C again leaves the run working alone.")
            launcher.stop(store, run_id)
            watch = lines(console, store, run_id)
    with Reader(store) as reader:
        facts = run_facts(reader, run_id)
    if not quiet:
        print_facts(facts)
    return facts


def _watch(store: Path, run_id: str) -> Iterator[LiveView]:
    cursor = 0
    seen_at = time.monotonic()
    while True:
        with Reader(store) as reader:
            view = reader.live(run_id, cursor)
        cursor = max([cursor, *(number for number, _, _ in view.events)])
        yield view
        if view.summary.status in WORKS:
            seen_at = time.monotonic()
        elif view.summary.status is not Status.LOST or time.monotonic() - seen_at > LOST_S:
            return


def _bar(console: Console, store: Path, run_id: str) -> Iterator[None]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[facts]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
        task = progress.add_task("waiting for the worker", total=None, facts="")
        for view in _watch(store, run_id):
            summary = view.summary
            for text in _messages(view):
                progress.console.print(text, markup=False)
            progress.update(
                task,
                description=_phase(summary),
                completed=summary.phase_done,
                total=summary.phase_total or None,
                facts=_facts(view),
            )
            yield


def lines(console: Console, store: Path, run_id: str) -> Iterator[None]:
    """Follow a run in lines: each step prints what is new, and the last comes when the run works no more."""
    last = ""
    for view in _watch(store, run_id):
        for text in _messages(view):
            console.print(text, markup=False, soft_wrap=True)
        line = f"{_phase(view.summary)} | {_facts(view)}"
        if _phase(view.summary) != last:
            last = _phase(view.summary)
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        yield


def _messages(view: LiveView) -> list[str]:
    return [event.data["text"] for _, _, event in view.events if event.kind in (EventKind.NOTE, EventKind.WARNING)]


def _phase(summary: RunSummary) -> str:
    names = {"bootstrap": "bootstrapping, set", "propose": "proposing", "search": "trial", "tune": "tuning, step"}
    names |= {"setup": "setting up", "test": "sealed test"}
    phase = names.get(summary.phase or "", summary.phase or summary.status.value)
    count = f" {summary.phase_done} of {summary.phase_total}" if summary.phase_total else ""
    if summary.status is Status.RUNNING and summary.reason:
        return summary.reason  # what its worker waits for
    if summary.phase == "setup" and summary.phase_note:
        return f"{phase}: {summary.phase_note}{f',{count} MB' if count else ''}"
    return f"{phase}{count}"


def _facts(view: LiveView) -> str:
    calls = sum(usage.calls for usage in view.spending.values())
    best = view.summary.best_val
    shown = f"best full evaluation {score(best)}" if best is not None else "no full evaluation yet"
    return f"{shown} | {calls} LM calls"
