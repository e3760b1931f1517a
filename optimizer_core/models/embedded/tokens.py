"""Chat messages as the token ids that the embedded model's server makes of them.

Asked of the server itself, with its template and its tokenizer, so that what is trained on is what is served.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from mipro_studio.optimizer_core.errors import ModelUnavailable
from mipro_studio.optimizer_core.models.embedded.connection import Connection

__all__ = ["Tokenizer"]

_TIMEOUT_S = 60.0
_END_OF_TURN = "<|im_end|>"


class Tokenizer:
    """Token ids of prompts and answers. Keeps what it was asked before."""

    def __init__(self, connection: Connection) -> None:
        self._client = httpx.Client(
            base_url=connection.base_urls[0], headers=connection.headers, timeout=_TIMEOUT_S, trust_env=False
        )
        self._known: dict[str, tuple[int, ...]] = {}

    def prompt(self, messages: Sequence[Mapping[str, Any]]) -> tuple[int, ...]:
        """The ids of `messages` with the opening of the assistant's turn behind them.

        Raises:
            ModelUnavailable: the server does not answer.
        """
        text = self._ask("/apply-template", {"messages": [dict(message) for message in messages]})["prompt"]
        return self._ids(text)

    def answer(self, text: str) -> tuple[int, ...]:
        """The ids of an answer, the end of the turn included."""
        return self._ids(f"{text}{_END_OF_TURN}")

    def _ids(self, text: str) -> tuple[int, ...]:
        if text not in self._known:
            found = self._ask("/tokenize", {"content": text, "add_special": False, "parse_special": True})["tokens"]
            self._known[text] = tuple(int(one) for one in found)
        return self._known[text]

    def _ask(self, path: str, body: Mapping[str, Any]) -> Any:
        try:
            answer = self._client.post(path, json=body)
            answer.raise_for_status()
            return answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise ModelUnavailable(f"The embedded model's server could not tokenize: {error}.") from error
