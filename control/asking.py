"""Ask a worker's process something that it answers with one JSON object on the last line of its output."""

import json
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO, Any

from mipro_studio import command
from mipro_studio.optimizer_core.environment import worker_environment
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.secrets import Scrubber

__all__ = ["INSPECT_TIMEOUT_S", "ask_worker"]

INSPECT_TIMEOUT_S = 300.0
"""Seconds that a person's program has to be loaded and asked."""


def ask_worker(
    question: Sequence[str],
    config: Mapping[str, Any],
    request: Mapping[str, Any] | None = None,
    *,
    doing: str = "The worker",
    limit_s: float | None = None,
    hint: str = "",
) -> dict[str, Any]:
    """What `worker.py QUESTION...` answers.

    Args:
        config: Names the variables of the keys that must not be printed.
        request: Its standard input, as JSON.
        doing: What the process is at, for people: "Looking at 'x.py'".
        limit_s: Seconds that it may take; None = as long as it takes.
        hint: What to do where it took longer.

    Raises:
        BadInput: it refuses (with the predictors and frames that it tells of), takes longer, or ended without an
            answer.
    """
    # Into files and not through pipes: a process that the program leaves behind would hold a pipe open for ever.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        try:
            code = subprocess.run(
                command("worker", *question),
                input=None if request is None else json.dumps(request),
                stdout=out,
                stderr=said,
                text=True,
                timeout=limit_s,
                check=False,
                env=worker_environment(),
                start_new_session=True,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise BadInput(f"{doing} took longer than {limit_s:.0f} s.", hint) from error
        lines, words = _lines(out), _lines(said)
    answer: dict[str, Any] | None = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else None
    if answer is not None and "error" in answer:
        refused = BadInput(answer["error"])
        refused.predictors, refused.frames = answer.get("predictors", ()), answer.get("frames", ())
        raise refused
    if code != 0 or answer is None:
        last = (words or ["no message"])[-1]
        raise BadInput(f"{doing} ended with: {Scrubber(key_variables(config)).text(last)}")
    return answer


def _lines(written: IO[bytes]) -> list[str]:
    written.seek(0)
    return written.read().decode(errors="replace").strip().splitlines()
