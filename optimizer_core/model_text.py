"""A model for one predictor as one line of text, for the command line and the form.

PREDICTOR=MODEL[@API_BASE][,temperature=0.2][,max_tokens=500][,api_key_env=NAME][,timeout_s=60]
"""

import re
from collections.abc import Mapping
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["read_model", "write_model"]

OPTIONS = (
    "temperature",
    "max_tokens",
    "api_key_env",
    "timeout_s",
    "input_usd_per_mtok",
    "output_usd_per_mtok",
)
_BASE = re.compile(r"@(?=https?://)")


def read_model(text: str) -> tuple[str, dict[str, Any]]:
    """(predictor, model spec) of one line.

    Raises:
        BadInput: it is not of the form above.
    """
    name, equals, rest = text.partition("=")
    model, *options = [part.strip() for part in rest.split(",")]
    if not (equals and name.strip() and model):
        raise BadInput(
            f"{text!r} is no model for a predictor.",
            "Write PREDICTOR=MODEL, or PREDICTOR=MODEL@API_BASE,temperature=0.2.",
        )
    model, *base = _BASE.split(model, maxsplit=1)
    spec: dict[str, Any] = {"model": model, **({"api_base": base[0]} if base else {})}
    for option in options:
        key, equals, value = (part.strip() for part in option.partition("="))
        if key not in OPTIONS or not value:
            raise BadInput(f"{option!r} is no setting of a model.", f"There are: {', '.join(OPTIONS)}.")
        spec[key] = value if key == "api_key_env" else _number(key, value)
    return name.strip(), spec


def _number(key: str, text: str) -> float | int:
    try:
        return int(text) if key == "max_tokens" else float(text)
    except ValueError as error:
        raise BadInput(f"{key}={text} is not a number.") from error


def write_model(predictor: str, spec: Mapping[str, Any]) -> str:
    """The inverse of `read_model`; settings at None are left out."""
    base = f"@{spec['api_base']}" if spec.get("api_base") else ""
    options = [
        f",{key}={spec[key]:g}" if isinstance(spec[key], float) else f",{key}={spec[key]}"
        for key in OPTIONS
        if spec.get(key) is not None and (key, spec[key]) != ("timeout_s", 120.0)
    ]
    return f"{predictor}={spec['model']}{base}{''.join(options)}"
