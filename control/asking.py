"""Ask a process of ours something that it answers with one JSON object on a line of its output.

A worker runs a person's code, which may print, also when the process ends, and put anything in the place of standard
output: a worker's answer begins with `ANSWER` and goes where standard output went when it began.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any

from mipro_studio import command
from mipro_studio.optimizer_core.environment import worker_environment
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.secrets import Scrubber

__all__ = ["INSPECT_TIMEOUT_S", "Answer", "TooLate", "ask", "ask_worker", "telling"]

ANSWER = "mipro-studio answers: "

INSPECT_TIMEOUT_S = 300.0
"""Seconds that a person's program has to be loaded and asked."""


class TooLate(Exception):
    """A process did not answer in time; it was ended."""


@dataclass(frozen=True)
class Answer:
    """How a process answered.

    Attributes:
        told: The object that it answered, else printed last; None where it ended without one.
        code: Its exit code.
        last_words: The last line of its standard error, which may quote keys; "" where it said nothing.
    """

    told: dict[str, Any] | None
    code: int
    last_words: str


def ask(
    question: Sequence[str],
    request: Mapping[str, Any] | None,
    environment: Mapping[str, str],
    limit_s: float | None = None,
) -> Answer:
    """What the process `QUESTION...` (a module of ours and its arguments) answers.

    Args:
        request: Its standard input, as JSON; None = there is none.
        environment: All that it is given of ours.
        limit_s: Seconds that it may take; None = as long as it takes.

    Raises:
        TooLate: it took longer.
    """
    # Into files and not through pipes: a process that a program leaves behind would hold a pipe open for ever.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        try:
            code = subprocess.run(
                command(*question),
                input=None if request is None else json.dumps(request),
                stdout=out,
                stderr=said,
                text=True,
                timeout=limit_s,
                check=False,
                env=dict(environment),
                start_new_session=True,
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise TooLate from error
        return Answer(_told(_answer_in(_lines(out))), code, _lines(said)[-1])


def telling() -> Callable[[str], None]:
    """Tells an answer on what is standard output now, whatever becomes of that."""
    now = sys.stdout
    with suppress(OSError, ValueError):  # it is no file: within a test
        now = os.fdopen(os.dup(now.fileno()), "w", encoding="utf-8")

    def tell(answer: str) -> None:
        with suppress(OSError, ValueError):  # closed
            sys.stdout.flush()
        print(f"\n{ANSWER}{answer}", file=now, flush=True)

    return tell


def _lines(written: IO[bytes]) -> list[str]:
    written.seek(0)
    return written.read().decode(errors="replace").strip().splitlines() or [""]


def _answer_in(lines: Sequence[str]) -> str:
    told = [line for line in lines if line.startswith(ANSWER)]
    return told[-1].removeprefix(ANSWER) if told else lines[-1]


def _told(line: str) -> dict[str, Any] | None:
    try:
        told = json.loads(line)
    except ValueError:  # a program printed it, or the process was ended in the middle of a line
        return None
    return told if isinstance(told, dict) else None


def ask_worker(
    question: Sequence[str],
    config: Mapping[str, Any],
    request: Mapping[str, Any] | None = None,
    *,
    doing: str = "The worker",
    limit_s: float | None = None,
    hint: str = "",
) -> dict[str, Any]:
    """What `worker.py QUESTION...` answers, which may run a person's code.

    Args:
        config: Names the variables of the keys that must not be printed.
        request: Its standard input, as JSON.
        doing: What the process is at, for people: "Looking at 'x.py'".
        limit_s: Seconds that it may take; None = as long as it takes.
        hint: What to do where it took longer.

    Raises:
        BadInput: it refuses (with the fields and frames that it tells of), takes longer, or ended without an
            answer.
    """
    try:
        answer = ask(["worker", *question], request, worker_environment(), limit_s)
    except TooLate as error:
        raise BadInput(f"{doing} took longer than {limit_s:.0f} s.", hint) from error
    if answer.told is not None and "error" in answer.told:
        refused = BadInput(answer.told["error"])
        refused.fields, refused.frames = answer.told.get("fields", {}), answer.told.get("frames", ())
        raise refused
    if answer.code != 0 or answer.told is None:
        last = answer.last_words or "no message"
        raise BadInput(f"{doing} ended with: {Scrubber(key_variables(config)).text(last)}")
    return answer.told
