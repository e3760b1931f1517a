"""What the new-run form holds, and the run config it stands for. Pure: no widgets.

Widget values live in the session under the keys of `FIELDS`; `to_state` fills them from a config (a sample, an
earlier run), `to_config` reads them back. `optimizer_core.config` owns the defaults and the checks.
"""

import json
from collections.abc import Mapping
from typing import Any

from mipro_studio.optimizer_core.catalogue import METRICS, OPTIMIZERS
from mipro_studio.optimizer_core.config import JUDGE, NO_CODE, RunConfig, parse_config
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.models.model_text import read_model, write_model
from mipro_studio.optimizer_core.programs.signature_text import signature_fields
from mipro_studio.optimizer_core.types import Role
from mipro_studio.ui.new_run.model_fields import ROLES, model_spec, model_state

__all__ = ["BY_PRESET", "FIELDS", "KINDS", "OWN_ROWS", "subject", "to_config", "to_state"]

KINDS = ("Sample", "No code", "My own", "Upload")
"""Where a program may come from."""

FIELDS: Mapping[str, tuple[str, ...]] = {
    "nr_name": ("name",),
    "nr_optimizer": ("optimizer",),
    "nr_preset": ("preset",),
    "nr_seed": ("seed",),
    "nr_threads": ("threads",),
    "nr_retries": ("retries",),
    "nr_retry_budget": ("retry_budget",),
    "nr_pause_after": ("pause_after",),
    "nr_review": ("review",),
    "nr_adapter": ("adapter",),
    "nr_stratify": ("data", "stratify"),
    "nr_group": ("data", "group"),
    "nr_delimiter": ("data", "delimiter"),
    "nr_encoding": ("data", "encoding"),
    "nr_empty": ("data", "empty_is_answer"),
    "nr_limit": ("data", "limit"),
    "nr_summary": ("proposer", "dataset_summary"),
    "nr_program_summary": ("proposer", "program_summary"),
    "nr_demos": ("proposer", "demos"),
    "nr_history": ("proposer", "history"),
    "nr_tips": ("proposer", "tips"),
    "nr_temperature": ("proposer", "temperature"),
    "nr_batch": ("proposer", "view_data_batch_size"),
    "nr_hint": ("proposer", "hint"),
    "nr_surrogate": ("search", "surrogate"),
    "nr_schedule": ("search", "schedule"),
    "nr_candidates": ("search", "candidates"),
    "nr_instructions": ("search", "instructions"),
    "nr_trials": ("search", "trials"),
    "nr_lag": ("search", "lag"),
    "nr_minibatch": ("search", "minibatch_size"),
    "nr_full_every": ("search", "full_eval_every"),
    "nr_step": ("search", "step"),
    "nr_finalists": ("search", "finalists"),
    "nr_breadth": ("search", "breadth"),
    "nr_depth": ("search", "depth"),
    "nr_bootstrapped": ("search", "max_bootstrapped"),
    "nr_labeled": ("search", "max_labeled"),
    "nr_labels": ("search", "labels"),
    "nr_threshold": ("search", "threshold"),
    "nr_strategy": ("finetune", "strategy"),
    "nr_max_runs": ("budget", "max_program_runs"),
    "nr_max_calls": ("budget", "max_lm_calls"),
    "nr_max_tokens": ("budget", "max_tokens"),
    "nr_max_usd": ("budget", "max_usd"),
    "nr_max_minutes": ("budget", "max_minutes"),
}
"""Widget key -> place in the config, for settings that are one widget each."""

BY_PRESET = (*(key for key, path in FIELDS.items() if path[0] == "search"), "nr_temperature")
"""Settings that the preset and the optimizer fill in as long as they are empty."""

OWN_ROWS = "The program's own"
"""Where rows come from when no file is named; only samples have some."""

_DATA_TEXTS = ("stratify", "group", "delimiter", "encoding")


def to_state(values: Mapping[str, Any]) -> dict[str, Any]:
    """Widget values for a config (which may be partial: what it leaves open, the preset fills in)."""
    model = RunConfig.model_validate({"program": "", **values})
    config, said = model.model_dump(mode="json"), model.model_dump(mode="json", exclude_unset=True)
    state = {key: _at(config, path) for key, path in FIELDS.items()}
    state |= {key: said.get(FIELDS[key][0], {}).get(FIELDS[key][1]) for key in BY_PRESET}
    state |= {f"nr_{name}": state[f"nr_{name}"] or "" for name in _DATA_TEXTS}
    if state["nr_optimizer"] not in OPTIMIZERS:  # a lab session is no search
        state["nr_optimizer"] = RunConfig(program="").optimizer
    data = config["data"]
    state |= _program_state(config["program"]) | _metric_state(config)
    state |= {
        "nr_data_kind": "One file" if data["data"] else "A file a split" if data["train"] else OWN_ROWS,
        **{f"nr_data_{part}": data[part] or "" for part in ("data", "train", "val", "test")},
        **{f"nr_split_{i}": share for i, share in enumerate(data["split"])},
        "nr_inputs": ", ".join(data["inputs"]),
        "nr_label_columns": ", ".join(data["labels"]),
        "nr_columns": "\n".join(f"{column} = {field}" for column, field in data["columns"].items()),
        "nr_freeze": list(config["search"]["freeze"]),
        "nr_models": "\n".join(write_model(name, spec) for name, spec in config["models"].items()),
    }
    for role, place in ROLES.items():
        state |= model_state(role, config[place])
    return state | model_state(Role.JUDGE, config["judge"]["model"])


def _program_state(program: str) -> dict[str, Any]:
    """The widgets about where the program comes from."""
    state: dict[str, Any] = {"nr_sample": None, "nr_program": "", "nr_module": NO_CODE[0], "nr_signature": ""}
    state["nr_instruction"] = ""
    if program.startswith("sample:") or not program:
        return {**state, "nr_program_kind": "Sample", "nr_sample": program.removeprefix("sample:") or None}
    if program.startswith(NO_CODE):
        module = next(prefix for prefix in NO_CODE if program.startswith(prefix))
        signature, _, instruction = program.removeprefix(module).partition("\n")
        typed = {"nr_module": module, "nr_signature": signature, "nr_instruction": instruction}
        return {**state, **typed, "nr_program_kind": "No code"}
    return {**state, "nr_program_kind": "My own", "nr_program": program}


def _metric_state(config: Mapping[str, Any]) -> dict[str, Any]:
    metric, judged = config["metric"] or "", config["metric"] == JUDGE
    built_in = metric in METRICS
    return {
        "nr_metric_kind": "A judge" if judged else "Built in" if built_in else "My own",
        "nr_metric_name": metric if built_in else "exact_match",
        "nr_metric": "" if judged or built_in else metric,
        "nr_criteria": "\n".join(config["judge"]["criteria"]),
    }


def to_config(state: Mapping[str, Any]) -> RunConfig:
    """The config that the widgets stand for.

    Raises:
        BadInput: names the first setting that cannot be.
    """
    config: dict[str, Any] = {"data": {}, "proposer": {}, "search": {}, "finetune": {}, "budget": {}}
    for key, path in FIELDS.items():
        place = config if len(path) == 1 else config[path[0]]
        if key not in BY_PRESET or state.get(key) is not None:
            place[path[-1]] = state.get(key)
    config |= _metric(state)
    config["name"] = config["name"] or ""
    config["program"] = _program(state)
    config["data"] |= _data(state)
    if state.get("nr_freeze"):
        config["search"]["freeze"] = list(state["nr_freeze"])
    lines = [line for line in str(state.get("nr_models") or "").splitlines() if line.strip()]
    config["models"] = dict(map(read_model, lines))
    for role, place in ROLES.items():
        spec = model_spec(state, role)
        if spec is not None or role is not Role.TASK:
            config[place] = spec
    return parse_config(config)


def subject(state: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """(program, rows) that the widgets name, for telling whether a plan is about them; None where they do not yet."""
    named: list[str | None] = []
    for part in (_program, _data):
        try:
            named.append(json.dumps(part(state), sort_keys=True))
        except BadInput:
            named.append(None)
    return named[0], named[1]


def _program(state: Mapping[str, Any]) -> str:
    kind = state.get("nr_program_kind")
    if kind == "Sample":
        if not state.get("nr_sample"):
            raise BadInput("No sample is chosen.")
        return f"sample:{state['nr_sample']}"
    if kind == "No code":
        signature = " ".join(str(state.get("nr_signature") or "").split())
        if not signature:
            raise BadInput("The program has no input or no output yet.", "Name what goes in and what comes out.")
        signature_fields(signature)
        return f"{state.get('nr_module')}{signature}\n{str(state.get('nr_instruction') or '').strip()}".strip()
    if kind == "Upload":
        if not state.get("nr_program_upload"):
            raise BadInput("No program file is uploaded.")
        attribute = str(state.get("nr_attribute") or "").strip()
        return str(state["nr_program_upload"]) + (f":{attribute}" if attribute else "")
    reference = str(state.get("nr_program") or "").strip()
    if not reference:
        raise BadInput("No program is named.")
    return reference


def _metric(state: Mapping[str, Any]) -> dict[str, Any]:
    kind = state.get("nr_metric_kind")
    if kind == "Built in":
        return {"metric": state.get("nr_metric_name")}
    if kind == "A judge":
        criteria = [line.strip() for line in str(state.get("nr_criteria") or "").splitlines() if line.strip()]
        if not criteria:
            raise BadInput("The judge has no criteria.", "Write one statement a line that a good answer meets.")
        return {"metric": JUDGE, "judge": {"criteria": criteria, "model": model_spec(state, Role.JUDGE)}}
    if state.get("nr_program_kind") == "No code" and not str(state.get("nr_metric") or "").strip():
        raise BadInput("A program without code brings no metric.", "Choose a built-in one or a judge.")
    return {"metric": str(state.get("nr_metric") or "").strip() or None}


def _data(state: Mapping[str, Any]) -> dict[str, Any]:
    columns = {}
    for text in str(state.get("nr_columns") or "").splitlines():
        column, equals, field = (part.strip() for part in text.partition("="))
        if column or equals:
            if not (column and field):
                raise BadInput(f"{text.strip()!r} is not of the form: column = field.")
            columns[column] = field
    data: dict[str, Any] = {
        "inputs": _words(state.get("nr_inputs")),
        "labels": _words(state.get("nr_label_columns")),
        "empty_is_answer": bool(state.get("nr_empty")),
        "columns": columns,
        **{name: str(state.get(f"nr_{name}") or "").strip() or None for name in _DATA_TEXTS},
        "split": [state.get(f"nr_split_{i}") for i in range(3)],
    }
    kind = state.get("nr_data_kind")
    parts = {"One file": ("data",), "Upload": ("upload",), "A file a split": ("train", "val", "test")}
    for part in parts.get(str(kind), ()):
        data["data" if part == "upload" else part] = str(state.get(f"nr_data_{part}") or "").strip() or None
    if kind in parts and not (data.get("data") or data.get("train")):
        raise BadInput("No data file is named.")
    if kind not in parts and state.get("nr_program_kind") == "No code":
        raise BadInput("A program without code brings no rows.", "Name a data file, or upload one.")
    return data


def _words(text: object) -> list[str]:
    return [word.strip() for word in str(text or "").split(",") if word.strip()]


def _at(config: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = config
    for name in path:
        value = value[name]
    return value
