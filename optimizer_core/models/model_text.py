"""A model for one predictor as one line of text, for the command line and the form.

PREDICTOR=MODEL[@API_BASE][,temperature=0.2][,max_tokens=500][,api_key_env=NAME][,timeout_s=60]
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from mipro_studio.optimizer_core.config import EMBEDDED
from mipro_studio.optimizer_core.config_paths import merge
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.roles import MODEL_PLACES, model_of

__all__ = ["priced", "read_model", "write_model"]

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


def priced(config: Mapping[str, Any], texts: Iterable[str]) -> dict[str, Any]:
    """The settings with prices at their models, from texts like `0.15/0.60` and `prompt=2.5/10`.

    A price that names nobody is of every endpoint; one that names a role or a predictor goes before it.

    Raises:
        BadInput: it is not of that form, or of a model that the settings do not name.
    """
    settings = dict(config)
    models = {role.value: place for role, place in MODEL_PLACES.items() if _is_endpoint(model_of(config, role))}
    models |= {predictor: ("models", predictor) for predictor in config.get("models", {})}
    for name, price in sorted(map(_price, texts), key=lambda one: one[0] != ""):
        if (name and name not in models) or not models:
            raise BadInput(
                f"The price of {name or 'all endpoints'} is of no model here.",
                f"There are: {', '.join(models) or 'none, so name a model first'}.",
            )
        for place in [models[name]] if name else models.values():
            nested: Any = price
            for part in reversed(place):
                nested = {part: nested}
            settings = merge(settings, nested)
    return settings


def _is_endpoint(spec: Mapping[str, Any] | None) -> bool:
    return spec is not None and spec.get("model", EMBEDDED) != EMBEDDED


def _price(text: str) -> tuple[str, dict[str, Any]]:
    """(role or predictor, its prices) of `IN/OUT` or `NAME=IN/OUT`, dollars per million tokens; "" = nobody named.

    Raises:
        BadInput: it is not of this form.
    """
    name, _, prices = text.rpartition("=")
    try:
        given, made = (float(part) for part in prices.split("/"))
    except ValueError as error:
        raise BadInput(
            f"{text!r} is no price.", "Write dollars per million tokens in/out: 0.15/0.60, or prompt=2.5/10."
        ) from error
    return name.strip(), {"input_usd_per_mtok": given, "output_usd_per_mtok": made}


def write_model(predictor: str, spec: Mapping[str, Any]) -> str:
    """The inverse of `read_model`; settings at None are left out."""
    base = f"@{spec['api_base']}" if spec.get("api_base") else ""
    options = [
        f",{key}={spec[key]:g}" if isinstance(spec[key], float) else f",{key}={spec[key]}"
        for key in OPTIONS
        if spec.get(key) is not None and (key, spec[key]) != ("timeout_s", 120.0)
    ]
    return f"{predictor}={spec['model']}{base}{''.join(options)}"
