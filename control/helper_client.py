"""The pages' side of `commands/helper_server.py`: processes that live as long as the studio, and no longer.

Imports neither streamlit nor dspy. A helper's standard input is a pipe of ours, so it ends with us however we end.
"""

import json
import queue
import secrets
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mipro_studio import command
from mipro_studio.control.asking import TooLate, ask
from mipro_studio.control.optuna_dashboard import TOKEN_VARIABLE
from mipro_studio.optimizer_core.environment import helper_environment
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.secrets import Scrubber

__all__ = ["Dashboards", "Drafter", "ping"]

START_S = 60.0
ANSWER_S = 20.0


_NO_ANSWER: Mapping[str, tuple[str, str]] = {
    "plan": ("The plan could not be worked out.", "Use Check, which looks at the same things."),
    "rows": ("The file could not be read.", "Use Check, which reads it too."),
    "importance": ("Optuna gave no answer.", "The studio's own importance needs none of it."),
}


def _spawn(*arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """A helper, which is given no key: it asks no model and runs no code of a person's."""
    return subprocess.Popen(
        command("commands.helper_server", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        env={**helper_environment(), **environment},
    )


def ping(spec: Mapping[str, Any], timeout_s: float = 60.0) -> dict[str, Any]:
    """One short call to a model: {latency_s, reply}, or {error, message} with the class of what went wrong."""
    try:
        environment = helper_environment(*key_variables(spec), network=True)
        answer = ask(["commands.helper_server", "ping"], dict(spec), environment, timeout_s)
    except TooLate:
        return {"error": "timeout", "message": f"No answer within {timeout_s:.0f} s."}
    if answer.told is None:
        return {"error": "", "message": Scrubber(key_variables(spec)).text(answer.last_words or "It said nothing.")}
    return answer.told


class _Lines:
    """What a process prints, line by line, with a time limit."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, args=(process,), daemon=True).start()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.put(line)
        self._lines.put(None)
        process.wait()

    def next(self, timeout_s: float) -> str | None:
        """The next line; None when there is none, in time or ever."""
        try:
            return self._lines.get(timeout=timeout_s)
        except queue.Empty:
            return None


class Drafter:
    """Plans, previews and Optuna's importance, from a process that has imported what they need.

    Safe in threads; one request at a time.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._lines: _Lines | None = None
        self._seen: dict[str, dict[str, Any]] = {}

    def plan(self, config: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
        """{plan, presets, settings, facts}; None for a program that has to be checked first.

        Raises:
            BadInput: the settings cannot be.
        """
        answer = self._ask({"op": "plan", "config": dict(config), "cwd": str(Path.cwd()), "facts": facts})
        return None if "unknown" in answer else answer

    def rows(self, path: str, delimiter: str | None = None, encoding: str | None = None) -> dict[str, Any]:
        """{columns, rows, n, notes, how} of a data file; `rows` are the first few, as text.

        Raises:
            BadInput: it cannot be read.
        """
        return self._ask({"op": "rows", "path": path, "delimiter": delimiter, "encoding": encoding})

    def importance(
        self, params: Sequence[Mapping[str, str]], scores: Sequence[float], evaluator: str, seed: int
    ) -> list[dict[str, Any]]:
        """See `optimizer_core.analysis.optuna_importance`.

        Raises:
            BadInput: there is nothing that it could say of these trials.
        """
        asked = {
            "params": [dict(one) for one in params],
            "scores": list(scores),
            "evaluator": evaluator,
            "seed": seed,
        }
        rows: list[dict[str, Any]] = self._ask({"op": "importance", **asked})["rows"]
        return rows

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process = None

    def _ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        line = json.dumps(request, sort_keys=True)
        with self._lock:
            # A file may change under its name; everything else depends on what is in the request alone.
            answer = self._seen.get(line) if request["op"] != "rows" else None
            if answer is None:
                answer = self._exchange(request["op"], line)
                self._seen = {**dict(list(self._seen.items())[-64:]), line: answer}
        if "error" in answer:
            raise BadInput(answer["error"])
        return answer

    def _exchange(self, op: str, line: str) -> dict[str, Any]:
        timeout_s = ANSWER_S
        if self._process is None or self._process.poll() is not None:
            self._process, timeout_s = _spawn("draft"), START_S
            self._lines = _Lines(self._process)
        assert self._process.stdin is not None and self._lines is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
            said = self._lines.next(timeout_s)
        except OSError:
            said = None
        if said is None:
            self.close()
            raise BadInput(*_NO_ANSWER[op])
        answer: dict[str, Any] = json.loads(said)
        return answer


@dataclass(frozen=True)
class _Served:
    process: "subprocess.Popen[str]"
    url: str


class Dashboards:
    """optuna-dashboard processes by run, on loopback, at most `MOST` at once: each holds some 200 MB."""

    MOST = 2

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._served: dict[str, _Served] = {}

    def url(self, run_id: str) -> str | None:
        """Where the run's study is served; None when it is not (any more)."""
        served = self._served.get(run_id)
        return served.url if served is not None and served.process.poll() is None else None

    def start(self, run_id: str, study: Path) -> str:
        """Serve the study in the file `study` and return the address of its dashboard.

        Raises:
            StudioError: there is no such file, or the dashboard did not start.
        """
        with self._lock:
            known = self.url(run_id)
            if known is not None:
                return known
            if not study.exists():
                raise StudioError("This run has no study yet.", "It is written when the first trial is finished.")
            for oldest in list(self._served)[: max(0, len(self._served) - self.MOST + 1)]:
                self.stop(oldest)
            token = secrets.token_urlsafe(24)
            process = _spawn("dashboard", str(study), **{TOKEN_VARIABLE: token})
            said = _Lines(process).next(START_S)
            if said is None:
                process.kill()
                raise StudioError("optuna-dashboard did not start.", "Is it installed? See requirements.txt.")
            url = f"http://127.0.0.1:{json.loads(said)['port']}/dashboard?token={token}"
            self._served[run_id] = _Served(process, url)
            return url

    def stop(self, run_id: str) -> None:
        served = self._served.pop(run_id, None)
        if served is not None and served.process.stdin is not None:
            served.process.stdin.close()

    def close(self) -> None:
        for run_id in list(self._served):
            self.stop(run_id)
