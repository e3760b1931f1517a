"""Runs of the desk made by the command line and workers against the loopback endpoint."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.loopback import LoopbackEndpoint
from tests.loopback.inprocess import InProcessEndpoint
from tests.programs import desk

__all__ = [
    "DESK",
    "MODELS",
    "ROOT",
    "ROWS",
    "THREADS",
    "arguments",
    "cli",
    "endpoint",
    "inside",
    "last_object",
    "write_rows",
]

ROOT = Path(__file__).resolve().parents[1]
DESK = str(ROOT / "tests" / "programs" / "desk.py")
ROWS = desk.rows(50)
THREADS = 4
MODELS = ["task"]
"""What the endpoint says it has, so that looking at a request makes no model call and every call is the run's."""
ANSWERS: Mapping[str, Any] = {"responder": "oracle", "gold": desk.gold(ROWS), "models": MODELS}


def endpoint(**settings: Any) -> LoopbackEndpoint:
    """An endpoint that knows the desk's answers."""
    return LoopbackEndpoint(**{**ANSWERS, **settings})


def inside(**settings: Any) -> LoopbackEndpoint:
    """The same, for runs inside this process."""
    return InProcessEndpoint(**{**ANSWERS, **settings})


def write_rows(folder: Path) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in ROWS))
    return path


def arguments(data: Path, url: str, *more: str) -> list[str]:
    """`run` of a small search; what comes later in `more` wins."""
    small = ["--trials", "8", "--candidates", "3", "--minibatch-size", "6", "--threads", str(THREADS)]
    named = ["--data", str(data), "--inputs", "message", "--task-model", "openai/task", "--api-base", url]
    return ["run", DESK, *named, *small, *more]


def cli(*given: str, environment: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *given],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=270,
        check=False,
    )


def last_object(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The one JSON object that `--json` promises; anything else on standard output is an error."""
    lines = done.stdout.splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(lines[0])
    return found
