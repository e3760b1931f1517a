"""The little that the providers' trainers share: a client whose failures are either passing or final."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
from dspy.utils.exceptions import LMError

from mipro_studio.optimizer_core.finetuning.job import TrainerRefused, TrainerUnavailable, TrainingJob
from mipro_studio.optimizer_core.models.deadlines import within

__all__ = ["Api", "chat_lines"]

TIMEOUT_S = 60.0
"""The wait for the next byte."""
DEADLINE_S = 300.0
"""A whole exchange; the longest is the upload of the rows."""
LONGEST_MESSAGE = 500
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed. A conflict (409) passes: what it conflicts with can be found."""


class Api:
    """Requests to one provider.

    Args:
        base_url: Without a slash at its end.
        key: Sent as a bearer token and to nobody else; never part of a message.
    """

    def __init__(self, base_url: str, key: str, name: str) -> None:
        self._name = name
        self._client = httpx.Client(
            base_url=base_url, headers={"Authorization": f"Bearer {key}"}, timeout=TIMEOUT_S, follow_redirects=False
        )

    def get(self, path: str, **parameters: Any) -> Any:
        """The answer's JSON; None where there is no such thing (404).

        Raises:
            TrainerUnavailable, TrainerRefused: see `Trainer`.
        """
        return self._ask("GET", path, missing_is_none=True, params=parameters)

    def post(self, path: str, body: Mapping[str, Any] | None = None, **more: Any) -> Any:
        """Likewise, of a request that changes something. `more` as httpx takes it (`files`, `data`, `params`)."""
        return self._ask("POST", path, json=body, **more)

    def _ask(self, method: str, path: str, *, missing_is_none: bool = False, **more: Any) -> Any:
        try:
            answer = within(DEADLINE_S, lambda: self._client.request(method, path, **more), self._name)
        except (httpx.HTTPError, LMError) as error:
            raise TrainerUnavailable(f"{self._name} did not answer: {type(error).__name__}.") from error
        if answer.status_code == 404 and missing_is_none:
            return None
        if answer.status_code >= 300:
            kind = TrainerUnavailable if answer.status_code in PASSING else TrainerRefused
            raise kind(f"{self._name} answered {answer.status_code}: {_message(answer)}")
        try:
            return answer.json() if answer.content else {}
        except ValueError as error:
            raise TrainerUnavailable(f"{self._name} answered with something that is no JSON.") from error


def _message(answer: httpx.Response) -> str:
    try:
        told = answer.json()
        error = told.get("error", told)
        text = error.get("message", error) if isinstance(error, Mapping) else error
    except (ValueError, AttributeError):
        text = answer.text
    return " ".join(str(text).split())[:LONGEST_MESSAGE]


def chat_lines(job: TrainingJob) -> bytes:
    """The job's rows as the chat format of OpenAI and those who follow it: a JSON object a line."""
    lines = (
        json.dumps({"messages": [*row.messages, {"role": "assistant", "content": row.answer}]}, ensure_ascii=False)
        for row in job.rows
    )
    return "\n".join((*lines, "")).encode()
