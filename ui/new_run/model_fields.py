"""The widgets of one role's model, and the spec that they stand for. Pure: no widgets."""

import re
from collections.abc import Mapping
from typing import Any

from mipro_studio.optimizer_core.config import EMBEDDED, OF_PROGRAM, ModelSpec
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.roles import MODEL_PLACES
from mipro_studio.optimizer_core.types import Role

__all__ = ["ENDPOINT", "MODEL_FIELDS", "OWN", "PROGRAMS", "ROLES", "SAME", "model_spec", "model_state"]

ROLES: Mapping[Role, str] = {role: place[0] for role, place in MODEL_PLACES.items() if len(place) == 1}
"""The roles whose model stands at the top of a config; the judge's is beside its criteria."""
MODEL_FIELDS = (
    "model", "api_base", "api_key_env", "timeout_s", "temperature", "max_tokens",
    "input_usd_per_mtok", "output_usd_per_mtok",
)  # fmt: skip
SAME, OWN, ENDPOINT, PROGRAMS = "Same as the task model", "Embedded", "Endpoint", "The program's"
"""What a role's model may be."""

_TEXTS = {"api_base", "api_key_env"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def model_state(role: Role, spec: Mapping[str, Any] | None) -> dict[str, Any]:
    """The widgets of one role's model."""
    kind = SAME if spec is None else {EMBEDDED: OWN, OF_PROGRAM: PROGRAMS}.get(spec["model"], ENDPOINT)
    values = dict(spec) if spec is not None and kind == ENDPOINT else {**ModelSpec().model_dump(), "model": ""}
    state = {f"nr_{role}_{name}": values[name] for name in MODEL_FIELDS}
    state |= {f"nr_{role}_{name}": values[name] or "" for name in _TEXTS}
    return state | {f"nr_{role}_kind": kind}


def model_spec(state: Mapping[str, Any], role: Role) -> dict[str, Any] | None:
    """The model of a role as the widgets have it; None = the same as another role's.

    Raises:
        BadInput: it has no name, or a key stands where the name of its variable belongs.
    """
    kind = state.get(f"nr_{role}_kind")
    if kind == SAME:
        return None
    if kind in (OWN, PROGRAMS):
        return {"model": EMBEDDED if kind == OWN else OF_PROGRAM}
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
