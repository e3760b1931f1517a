"""Ask a worker's process something that it answers with one JSON object on the last line of its output."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from mipro_studio import command
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.secrets import Scrubber

__all__ = ["ask_worker"]


def ask_worker(what: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """What `worker.py WHAT` answers to `request`; it takes as long as it takes.

    Args:
        request: {config, ...}: `config` names the variables of the keys that must not be printed.

    Raises:
        BadInput: it refuses, or it ended without an answer.
    """
    done = subprocess.run(
        command("worker", what), input=json.dumps(request), capture_output=True, text=True, check=False
    )
    lines = done.stdout.strip().splitlines()
    answer: dict[str, Any] = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    if "error" in answer:
        raise BadInput(answer["error"])
    if done.returncode != 0 or not answer:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise BadInput(f"The worker ended with: {Scrubber(key_variables(request['config'])).text(last)}")
    return answer
