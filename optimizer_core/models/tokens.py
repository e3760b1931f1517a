"""How many tokens a call took: what the endpoint says, where that is a number, else an estimate by a tokenizer."""

import importlib.util
import os
import threading
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

__all__ = ["count_tokens", "message_texts", "reported"]

MOST = 1_000_000_000
"""No call takes more tokens than this; an endpoint that says so does not know."""

MESSAGE_TOKENS = 4
"""What a chat format adds to each message, roughly."""

PART_TOKENS = 1_000
"""An image or another part that is no text, roughly."""

_CHARS_PER_TOKEN = 4
_lock = threading.Lock()


def reported(usage: object, name: str) -> int | None:
    """A count out of an endpoint's usage; None where it gives none, or one that cannot be."""
    value = usage.get(name) if isinstance(usage, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST:
        return None
    return int(value)


def count_tokens(texts: Iterable[str]) -> int:
    """Tokens of `texts` in cl100k_base, whatever the model: an estimate that is off by a tenth or two."""
    encoding = _encoding()
    if encoding is None:
        return sum(-(-len(text) // _CHARS_PER_TOKEN) for text in texts)
    return sum(len(encoding.encode(text, disallowed_special=())) for text in texts)


def message_texts(messages: Iterable[Any]) -> tuple[list[str], int]:
    """The texts of chat messages, and the tokens of what in them is no text."""
    texts: list[str] = []
    more = 0
    for message in messages:
        more += MESSAGE_TOKENS
        content = message.get("content") if isinstance(message, Mapping) else None
        for part in content if isinstance(content, list) else [content]:
            text = part.get("text") if isinstance(part, Mapping) else part
            if isinstance(text, str):
                texts.append(text)
            else:
                more += PART_TOKENS if part is not None else 0
    return texts, more


@lru_cache(maxsize=1)
def _encoding() -> Any:
    """tiktoken's cl100k_base out of the files that LiteLLM brings along, so that nothing is fetched; None without."""
    litellm = importlib.util.find_spec("litellm")
    places = litellm.submodule_search_locations if litellm is not None else None
    folder = Path(places[0]) / "litellm_core_utils" / "tokenizers" if places else Path()
    # The name that tiktoken gives the file it would fetch.
    if not (folder / "9b5ad71b2ce5302211f9c61530b329a4922fc6a4").is_file():
        return None
    import tiktoken

    with _lock:
        before = os.environ.get("TIKTOKEN_CACHE_DIR")
        os.environ["TIKTOKEN_CACHE_DIR"] = str(folder)
        try:
            return tiktoken.get_encoding("cl100k_base")
        finally:
            if before is None:
                del os.environ["TIKTOKEN_CACHE_DIR"]
            else:
                os.environ["TIKTOKEN_CACHE_DIR"] = before
