"""What the studio starts as processes, done inside the test's process: the same functions, without the imports.

A process of ours spends one to two seconds of a processor on imports before it does anything. The few tests that are
about processes start them; all others may use this.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from mipro_studio import cli, command, launcher, worker
from mipro_studio.attendants import worker_name
from tests.optimizer_core.builders import dspy_as_new

__all__ = ["Done", "shell", "workers_inside"]

Done = subprocess.CompletedProcess[str]
_process = subprocess.run


@contextmanager
def workers_inside() -> Iterator[None]:
    """Inspections, exports and runs of `launcher` happen in this process; `spawn` returns when the run is over."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "run", _run)
        patch.setattr(launcher, "spawn", _spawn)
        patch.setattr(worker, "Mirror", _NoMirror)
        yield


def shell(*given: str) -> Done:
    """`python cli.py ...`: what it prints and its exit code, unexpected errors included."""
    with workers_inside(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["cli.py", *given])
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            code = _exit_code(cli.main)
    return Done(given, code, out.getvalue(), err.getvalue())


def _exit_code(main: Any) -> int:
    try:
        main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _run(arguments: Any, **options: Any) -> Any:
    """`subprocess.run`, for a process of `worker.py` what its `main` does but for ending the process."""
    ours = command("worker")
    if list(arguments[: len(ours)]) != ours:
        return _process(arguments, **options)
    out, err = io.StringIO(), io.StringIO()
    with _as_a_process(out, err), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", io.StringIO(options.get("input") or ""))
        code = worker._done(list(arguments[len(ours) :]))
    return Done(arguments, code, out.getvalue(), err.getvalue())


def _spawn(store: Path, run_id: str) -> int:
    """A worker's whole life."""
    with _as_a_process(sys.stdout, sys.stderr):
        worker.live(store.resolve(), run_id, worker_name())
    return os.getpid()


@contextmanager
def _as_a_process(out: Any, err: Any) -> Iterator[None]:
    """What a process leaves behind when it ends: nothing of its streams, its current folder and DSPy's settings."""
    with redirect_stdout(out), redirect_stderr(err), chdir(Path.cwd()), dspy_as_new():
        yield


class _NoMirror:
    """Nobody looks at the Optuna study of these runs."""

    def __init__(self, store: Path, run_id: str) -> None:
        pass

    def close(self) -> None:
        pass
