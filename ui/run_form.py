"""What the new-run form holds, and the run config it stands for. Pure: no widgets.

Widget values live in the session under the keys of `FIELDS`; `to_state` fills them from a config (a sample, an
earlier run), `to_config` reads them back. `optimizer_core.config` owns the defaults and the checks.
"""

import re
from collections.abc import Mapping
from typing import Any

from optimizer_core.config import EMBEDDED, ModelSpec, RunConfig, parse_config
from optimizer_core.errors import BadInput
from optimizer_core.types import Role

__all__ = ["FIELDS", "MODEL_FIELDS", "ROLES", "SAME", "leaving", "to_config", "to_state"]

FIELDS: Mapping[str, tuple[str, ...]] = {
    "nr_name": ("name",),
    "nr_metric": ("metric",),
    "nr_seed": ("seed",),
    "nr_threads": ("threads",),
    "nr_retries": ("retries",),
    "nr_review": ("review",),
    "nr_stratify": ("data", "stratify"),
    "nr_limit": ("data", "limit"),
    "nr_summary": ("proposer", "dataset_summary"),
    "nr_program_summary": ("proposer", "program_summary"),
    "nr_demos": ("proposer", "demos"),
    "nr_history": ("proposer", "history"),
    "nr_tips": ("proposer", "tips"),
    "nr_temperature": ("proposer", "temperature"),
    "nr_batch": ("proposer", "view_data_batch_size"),
    "nr_hint": ("proposer", "hint"),
    "nr_candidates": ("search", "candidates"),
    "nr_trials": ("search", "trials"),
    "nr_minibatch": ("search", "minibatch_size"),
    "nr_full_every": ("search", "full_eval_every"),
    "nr_bootstrapped": ("search", "max_bootstrapped"),
    "nr_labeled": ("search", "max_labeled"),
    "nr_threshold": ("search", "threshold"),
    "nr_max_runs": ("budget", "max_program_runs"),
    "nr_max_calls": ("budget", "max_lm_calls"),
    "nr_max_tokens": ("budget", "max_tokens"),
    "nr_max_usd": ("budget", "max_usd"),
    "nr_max_minutes": ("budget", "max_minutes"),
}
"""Widget key -> place in the config, for settings that are one widget each."""

ROLES: Mapping[Role, str] = {Role.TASK: "task_model", Role.PROMPT: "prompt_model", Role.TEACHER: "teacher"}
MODEL_FIELDS = (
    "model", "api_base", "api_key_env", "timeout_s", "temperature", "max_tokens",
    "input_usd_per_mtok", "output_usd_per_mtok",
)  # fmt: skip
SAME, OWN, ENDPOINT = "Same as the task model", "Embedded", "Endpoint"
"""What a role's model may be."""

_TEXTS = {"api_base", "api_key_env"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LOCAL = re.compile(r"^https?://(localhost|127\.\d+\.\d+\.\d+|\[::1\])([:/]|$)")


def to_state(values: Mapping[str, Any]) -> dict[str, Any]:
    """Widget values for a config (which may be partial)."""
    config = RunConfig.model_validate({"program": "", **values}).model_dump(mode="json")
    state = {key: _at(config, path) for key, path in FIELDS.items()}
    state["nr_metric"] = state["nr_metric"] or ""
    state["nr_stratify"] = state["nr_stratify"] or ""
    sample = config["program"].removeprefix("sample:")
    is_sample = config["program"].startswith("sample:") or not config["program"]
    data = config["data"]
    state |= {
        "nr_program_kind": "Sample" if is_sample else "My own",
        "nr_sample": sample or None if is_sample else None,
        "nr_program": "" if is_sample else config["program"],
        "nr_data_kind": "One file" if data["data"] else "A file a split" if data["train"] else "The program's own",
        **{f"nr_data_{part}": data[part] or "" for part in ("data", "train", "val", "test")},
        **{f"nr_split_{i}": share for i, share in enumerate(data["split"])},
        "nr_inputs": ", ".join(data["inputs"]),
        "nr_columns": "\n".join(f"{column} = {field}" for column, field in data["columns"].items()),
        "nr_freeze": ", ".join(config["search"]["freeze"]),
    }
    for role, place in ROLES.items():
        state |= _model_state(role, config[place])
    return state


def _model_state(role: Role, spec: Mapping[str, Any] | None) -> dict[str, Any]:
    kind = SAME if spec is None else OWN if spec["model"] == EMBEDDED else ENDPOINT
    values = dict(spec) if spec is not None and kind == ENDPOINT else {**ModelSpec().model_dump(), "model": ""}
    state = {f"nr_{role}_{name}": values[name] for name in MODEL_FIELDS}
    state |= {f"nr_{role}_{name}": values[name] or "" for name in _TEXTS}
    return state | {f"nr_{role}_kind": kind}


def to_config(state: Mapping[str, Any]) -> RunConfig:
    """The config that the widgets stand for.

    Raises:
        BadInput: names the first setting that cannot be.
    """
    config: dict[str, Any] = {"data": {}, "proposer": {}, "search": {}, "budget": {}}
    for key, path in FIELDS.items():
        place = config if len(path) == 1 else config[path[0]]
        place[path[-1]] = state.get(key)
    config["metric"] = (config["metric"] or "").strip() or None
    config["name"] = config["name"] or ""
    config["program"] = _program(state)
    config["data"] |= _data(state)
    config["search"]["freeze"] = _words(state.get("nr_freeze"))
    for role, place in ROLES.items():
        spec = _model(state, role)
        if spec is not None or role is not Role.TASK:
            config[place] = spec
    return parse_config(config)


def _program(state: Mapping[str, Any]) -> str:
    if state.get("nr_program_kind") == "Sample":
        if not state.get("nr_sample"):
            raise BadInput("No sample is chosen.")
        return f"sample:{state['nr_sample']}"
    reference = str(state.get("nr_program") or "").strip()
    if not reference:
        raise BadInput("No program is named.")
    return reference


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
        "columns": columns,
        "stratify": str(state.get("nr_stratify") or "").strip() or None,
        "split": [state.get(f"nr_split_{i}") for i in range(3)],
    }
    kind = state.get("nr_data_kind")
    parts = {"One file": ("data",), "Upload": ("upload",), "A file a split": ("train", "val", "test")}
    for part in parts.get(str(kind), ()):
        data["data" if part == "upload" else part] = str(state.get(f"nr_data_{part}") or "").strip() or None
    if kind in parts and not (data.get("data") or data.get("train")):
        raise BadInput("No data file is named.")
    return data


def _model(state: Mapping[str, Any], role: Role) -> dict[str, Any] | None:
    kind = state.get(f"nr_{role}_kind")
    if kind == SAME:
        return None
    if kind == OWN:
        return {"model": EMBEDDED}
    spec = {name: state.get(f"nr_{role}_{name}") for name in MODEL_FIELDS}
    spec |= {name: str(spec[name] or "").strip() or None for name in _TEXTS}
    spec["model"] = str(spec["model"] or "").strip()
    if not spec["model"]:
        raise BadInput(f"The {role.value} model has no name.", "Name one as DSPy does, such as openai/NAME.")
    if spec["api_key_env"] and not _VARIABLE.fullmatch(spec["api_key_env"]):
        raise BadInput(
            f"What is given for the {role.value} model's key is not the name of an environment variable.",
            "Put the key into the environment and name the variable here; a key itself would be stored.",
        )
    return spec


def _words(text: object) -> list[str]:
    return [word.strip() for word in str(text or "").split(",") if word.strip()]


def _at(config: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = config
    for name in path:
        value = value[name]
    return value


def leaving(config: RunConfig) -> list[str]:
    """What leaves this machine, a sentence a role; empty when nothing does."""
    said = []
    for role in ROLES:
        spec = config.model_for(role)
        if spec.model == EMBEDDED or _LOCAL.match(spec.api_base or ""):
            continue
        what = {
            Role.TASK: "every training, validation and test row the program reads, with instructions and demos",
            Role.TEACHER: "training rows, and the program's answers to them",
            Role.PROMPT: _shown(config),
        }[role]
        said.append(f"To {spec.model} at {spec.api_base or 'its provider'} ({role.value} model): {what}.")
    return said


def _shown(config: RunConfig) -> str:
    parts = ["the names of fields and modules and the seed instructions"]
    if config.proposer.program_summary:
        parts.append("the program's source code")
    if config.proposer.dataset_summary:
        parts.append("batches of training rows")
    if config.proposer.demos:
        parts.append("bootstrapped demos")
    if config.proposer.hint:
        parts.append("your hint")
    return ", ".join(parts)
