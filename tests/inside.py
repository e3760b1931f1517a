"""What the studio starts as processes, done inside the test's process: the same functions, without the imports.

A process of ours spends one to two seconds of a processor on imports before it does anything. The few tests that are
about processes start them; all others may use this.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

from mipro_studio import cli, command, worker
from mipro_studio.commands import helper_server
from mipro_studio.control import launcher
from mipro_studio.control.worker_children import worker_name
from mipro_studio.optimizer_core import inspection
from tests.optimizer_core.builders import dspy_as_new

__all__ = ["Done", "helpers_inside", "shell", "work_on", "workers_inside"]

Done = subprocess.CompletedProcess[str]
_process = subprocess.run
_one_at_a_time = threading.Lock()


@contextmanager
def helpers_inside() -> Iterator[None]:
    """What answers once and ends (an inspection, an export, a call to an endpoint) happens in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "run", _run)
        patch.setattr(inspection, "usable_processors", lambda: 1)  # others do not reach an endpoint of this one
        yield


@contextmanager
def workers_inside() -> Iterator[None]:
    """Helpers and the runs of `launcher` happen in this process; `spawn` returns when the run is over."""
    with helpers_inside(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(launcher, "spawn", work_on)
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
    """`subprocess.run`, for a process of ours what its `main` does but for ending the process."""
    mains = {"worker": worker._done, "commands.helper_server": helper_server._answered}
    main, given = next(
        ((main, arguments[len(ours) :]) for name, main in mains.items() if _begins(arguments, ours := command(name))),
        (None, []),
    )
    if main is None:
        return _process(arguments, **options)
    out, err = io.StringIO(), io.StringIO()
    with _one_at_a_time, redirect_stdout(out), redirect_stderr(err), chdir(Path.cwd()), _environment(options):
        code = _its_end(main, list(given))
    for name, said in (("stdout", out), ("stderr", err)):
        if hasattr(options.get(name), "write"):  # into a file
            options[name].write(said.getvalue().encode())
    return Done(arguments, code, out.getvalue(), err.getvalue())


def _its_end(main: Any, given: list[str]) -> int:
    """The exit code of `main`. Where rows hang, a process ends at once and ends its session: here neither is."""

    def leave(code: int) -> None:
        raise SystemExit(code)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "os", SimpleNamespace(**{**vars(os), "_exit": leave}))
        patch.setattr(worker, "end_rest_of_session", lambda: None)
        try:
            return int(main(given))
        except SystemExit as ended:
            return int(ended.code or 0)


def _begins(arguments: Any, ours: list[str]) -> bool:
    return list(arguments[: len(ours)]) == ours


@contextmanager
def _environment(options: Any) -> Iterator[None]:
    """Standard input and the environment that a process would have been given."""
    given = options.get("env")
    with pytest.MonkeyPatch.context() as patch, mock.patch.dict(os.environ, given or {}, clear=given is not None):
        patch.setattr(sys, "stdin", io.StringIO(options.get("input") or ""))
        yield


def work_on(store: Path, run_id: str) -> int:
    """A worker's whole life, in the main thread; it leaves nothing of its current folder and of DSPy's settings."""
    with pytest.MonkeyPatch.context() as patch, chdir(Path.cwd()), dspy_as_new():
        patch.setattr(worker, "Mirror", _NoMirror)
        worker.live(store.resolve(), run_id, worker_name())
    return os.getpid()


class _NoMirror:
    """Nobody looks at the Optuna study of these runs."""

    def __init__(self, store: Path, run_id: str) -> None:
        pass

    def close(self, hurry: bool = False) -> None:
        pass
