"""Ask an OpenAI-compatible endpoint which models it has: a check of address, key and name that costs no tokens."""

import os
from typing import Any

import httpx

from mipro_studio.optimizer_core.config import ModelSpec

__all__ = ["lists_model"]

PREFIX = "openai/"
TIMEOUT_S = 5.0


def lists_model(spec: ModelSpec) -> bool:
    """Whether the endpoint's own list (GET /models) names the model, and so proves that calls will be answered.

    False also when there is no such list, or when it is open to everyone although the run has a key: then it says
    nothing about the key.
    """
    if spec.api_base is None or not spec.model.startswith(PREFIX):
        return False
    url = f"{spec.api_base.rstrip('/')}/models"
    key = os.environ.get(spec.api_key_env or "")
    try:
        # Reading all authorities' certificates takes longer than asking, and without TLS there is none to check.
        with httpx.Client(timeout=TIMEOUT_S, verify=url.lower().startswith("https:")) as client:
            if key and client.get(url).status_code not in (401, 403):
                return False
            return spec.model.removeprefix(PREFIX) in _names(client.get(url, headers=_bearer(key)))
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return False


def _bearer(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key or 'none'}"}


def _names(answer: httpx.Response) -> list[Any]:
    return [entry["id"] for entry in answer.raise_for_status().json()["data"]]
