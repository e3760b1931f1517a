"""Small processes beside the pages, for what a page may not import or wait for.

Started with `mipro_studio.command("commands.helper_server", ...)`:

draft            answer requests (plans, files, trials), a JSON line each, until the input ends
ping             one call to a model endpoint (JSON on standard input)
dashboard FILE   optuna-dashboard on the study in FILE, on loopback, until the input ends
open STORE FILE NAME    take the replay file FILE, which people call NAME, into STORE
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "true")

from mipro_studio.optimizer_core.config import NO_CODE, Budget, ModelSpec, parse_config
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.roles import key_variables
from mipro_studio.optimizer_core.secrets import Scrubber, refuse_secrets
from mipro_studio.optimizer_core.sources import is_python_source
from mipro_studio.optimizer_core.types import ErrorClass, Role

PREVIEW_ROWS = 5
LONGEST_CELL = 400
MOST_BYTES = 4 * 1024**3
MOST_CPU_S = 90


def draft() -> int:
    """One answer a line.

    A request is {op: plan, config, cwd, facts}, {op: rows, path} or
    {op: importance, params, scores, evaluator, seed}.
    """
    scrubber = Scrubber()
    for line in sys.stdin:
        try:
            answer = _answer(json.loads(line))
        except StudioError as error:
            answer = {"error": str(error)}
        print(scrubber.text(json.dumps(answer, default=str)), flush=True)
    return 0


def _answer(request: Mapping[str, Any]) -> Mapping[str, Any]:
    if request["op"] == "rows":
        path = Path(request["path"]).expanduser()
        changed = path.stat().st_mtime if path.exists() else 0.0
        return _rows(str(path.resolve()), changed, request.get("delimiter"), request.get("encoding"))
    if request["op"] == "importance":
        from mipro_studio.optimizer_core.analysis.optuna_importance import optuna_importance

        return {"rows": optuna_importance(*(request[name] for name in ("params", "scores", "evaluator", "seed")))}
    from mipro_studio.optimizer_core.runs.draft_plan import draft as make_draft
    from mipro_studio.optimizer_core.runs.draft_plan import facts_of

    config = request["config"]
    facts = request.get("facts")
    if facts is None:
        if not str(config.get("program", "")).startswith(("sample:", *NO_CODE)) or _rows_are_code(config):
            return {"unknown": True}  # a person's own code is looked at when they ask for it, and not here
        data = json.dumps(config.get("data") or {}, sort_keys=True)
        facts = _look(config["program"], data, int(config.get("seed") or 0), request["cwd"])
    return make_draft(config, facts_of(facts))


def _rows_are_code(config: Mapping[str, Any]) -> bool:
    data = config.get("data") or {}
    return any(is_python_source(str(data.get(part) or "")) for part in ("data", "train", "val", "test"))


@lru_cache(maxsize=32)
def _look(program: str, data: str, seed: int, cwd: str) -> Mapping[str, Any]:
    from mipro_studio.optimizer_core.inspection import inspect_request

    # Nothing of these facts depends on the metric or the models, so the ones that need nothing stand in.
    values: dict[str, Any] = {"program": program, "data": json.loads(data), "seed": seed, "metric": "exact_match"}
    values["task_model"] = {"model": "openai/none", "api_base": "http://127.0.0.1:9/v1"}
    found: Mapping[str, Any] = inspect_request(values, Path(cwd), call_models=False)["facts"]
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


@lru_cache(maxsize=8)
def _rows(path: str, changed: float, delimiter: str | None, encoding: str | None) -> Mapping[str, Any]:
    from mipro_studio.optimizer_core.data import read_table

    table = read_table(Path(path), delimiter, encoding)
    rows = table.rows
    columns = list(dict.fromkeys(name for row in rows[:100] for name in row))
    preview = [{name: str(row.get(name, ""))[:LONGEST_CELL] for name in columns} for row in rows[:PREVIEW_ROWS]]
    return {"columns": columns, "rows": preview, "n": len(rows), "notes": list(table.notes), "how": dict(table.how)}


def ping() -> int:
    """{latency_s, reply} or {error, message}: one short call, without retries."""
    from dspy.utils.exceptions import LMError

    from mipro_studio.optimizer_core.models.lms import build_lm, classify
    from mipro_studio.optimizer_core.models.meter import Meter

    asked = json.loads(sys.stdin.read())
    scrubber = Scrubber(key_variables(asked))
    answer: dict[str, Any]
    try:
        refuse_secrets(asked)
        spec = ModelSpec.model_validate(asked)
        lm = build_lm(spec, Role.TASK, Meter(Budget()), 0, 0)
        started = time.perf_counter()
        reply = lm("Reply with OK.")
        first = reply[0]["text"] if isinstance(reply[0], dict) else reply[0]
        answer = {"latency_s": time.perf_counter() - started, "reply": str(first)[:LONGEST_CELL]}
    except LMError as error:
        answer = {"error": (classify(error) or ErrorClass.SERVER).value, "message": str(error)}
    except StudioError as error:
        answer = {"error": ErrorClass.AUTH.value if isinstance(error, BadInput) else "", "message": str(error)}
    except (ValueError, TypeError, ImportError) as error:
        answer = {"error": ErrorClass.MODEL.value, "message": f"{type(error).__name__}: {error}"}
    print("\n" + scrubber.text(json.dumps(answer)))
    return 0


def open_replay(store: Path, file: Path, name: str) -> int:
    """{run_id} or {error}. A stranger's file is read here, within bounds, and shown once before it is let in."""
    from mipro_studio.storage import Reader, unpack
    from mipro_studio.ui.export.report import report_html
    from mipro_studio.ui.replay.replay_state import history

    def check(reader: Reader, run_id: str) -> None:
        parse_config(reader.config(run_id))
        history(reader, reader.run(run_id))
        report_html(reader, run_id)

    try:
        answer = {"run_id": unpack(file, store, name, check)}
    except StudioError as error:
        answer = {"error": str(error)}
    print("\n" + Scrubber().text(json.dumps(answer)))
    return 0


def _bound() -> None:
    """Let this process take so much memory and time, and no more."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MOST_CPU_S, MOST_CPU_S))


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["open"]:
        _bound()
    code = _answered(arguments)
    sys.stdout.flush()
    os._exit(code)  # threads of clients and servers must not keep a process that is done


def _answered(arguments: list[str]) -> int:
    match arguments:
        case ["draft"]:
            return draft()
        case ["ping"]:
            return ping()
        case ["open", store, file, name]:
            return open_replay(Path(store), Path(file), name)
        case ["dashboard", study]:
            from mipro_studio.control import optuna_dashboard

            return optuna_dashboard.main([study])
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    main(sys.argv[1:])
