"""Deterministic draws: the same words always give the same number, in every process."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any


def digest(*parts: object) -> str:
    """Sixteen hex digits that identify the parts (their order counts)."""
    state = blake2b(digest_size=8)
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        # The length keeps ("ab", "c") apart from ("a", "bc").
        state.update(len(data).to_bytes(8, "little"))
        state.update(data)
    return state.hexdigest()


def unit(*parts: object) -> float:
    """A number in [0, 1) decided by the parts."""
    return int(digest(*parts), 16) / 2**64


def content_text(content: Any) -> str:
    """The text of a message's content, which may be a string or a list of typed blocks."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(block.get("text", "")) for block in content if isinstance(block, dict))
    return "" if content is None else str(content)


def prompt_text(messages: list[dict[str, Any]]) -> str:
    """All messages as one string, for hashing."""
    return "\x1e".join(f"{item.get('role')}\x1f{content_text(item.get('content'))}" for item in messages)
