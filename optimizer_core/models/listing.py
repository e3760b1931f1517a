"""Ask an OpenAI-compatible endpoint which models it has: a check of address, key and name that costs no tokens."""

import json
import os
from collections.abc import Mapping
from typing import Any

import httpx
from dspy.utils.exceptions import LMTimeoutError

from mipro_studio.optimizer_core.config import ModelSpec
from mipro_studio.optimizer_core.models.deadlines import within

__all__ = ["lists_model"]

PREFIX = "openai/"
TIMEOUT_S = 5.0
DEADLINE_S = 10.0
MOST_BYTES = 4 * 1024 * 1024


def lists_model(spec: ModelSpec) -> bool:
    """Whether the endpoint's own list (GET /models) names the model, and so proves that calls will be answered.

    False also when there is no such list, or when it is open to everyone although the run has a key: then it says
    nothing about the key.
    """
    if spec.api_base is None or not spec.model.startswith(PREFIX):
        return False
    key = os.environ.get(spec.api_key_env or "")
    url = f"{spec.api_base.rstrip('/')}/models"
    try:
        return bool(within(DEADLINE_S, lambda: spec.model.removeprefix(PREFIX) in _named(url, key), spec.model))
    except (httpx.HTTPError, LMTimeoutError, ValueError, KeyError, TypeError):
        return False


def _named(url: str, key: str | None) -> list[Any]:
    """The names on the list; none where it is open although there is a key."""
    # Reading all authorities' certificates takes longer than asking, and without TLS there is none to check.
    with httpx.Client(timeout=TIMEOUT_S, verify=url.lower().startswith("https:")) as client:
        if key and _get(client, url)[0] not in (401, 403):
            return []
        status, body = _get(client, url, _bearer(key))
    return [entry["id"] for entry in json.loads(body)["data"]] if status == httpx.codes.OK else []


def _get(client: httpx.Client, url: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    """Status and body.

    Raises:
        ValueError: the body is longer than a list of models.
    """
    body = b""
    with client.stream("GET", url, headers=headers) as answer:
        for chunk in answer.iter_bytes():
            body += chunk
            if len(body) > MOST_BYTES:
                raise ValueError("no list of models is as long")
        return answer.status_code, body


def _bearer(key: str | None) -> dict[str, str]:
    return {"Authorization": f"Bearer {key or 'none'}"}
