"""Reading the prompts DSPy's ChatAdapter and JSONAdapter write, and writing the replies they parse."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tests.loopback.hashing import content_text

_HEADER = re.compile(r"^\[\[ ## (\w+) ## \]\]\n", re.MULTILINE)
_CHAT_FIELD = re.compile(
    r"`\[\[ ## (\w+) ## \]\]`(?: \(must be formatted as a valid Python (.*?)\))?(?=, then|, and then)"
)
_JSON_FIELD = re.compile(r"`(\w+)`(?: \(must be formatted as a valid Python (.*?)\))?(?=, then|\.$)")
_CHOICES = r'\{%s\} +# note: the value you produce must exactly match [^:]*one of: ([^"\n]*)'
_OBJECTIVE = "your objective is:"


@dataclass(frozen=True)
class DspyPrompt:
    """One call of a DSPy predictor, as far as a prompt shows it."""

    instruction: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    """Output field -> Python type as the adapter spells it ("str" if it says nothing)."""
    demos: str
    """All demo messages as one string."""
    demo_count: int
    as_json: bool
    system: str

    def choices(self, field: str) -> list[str]:
        """The values a Literal output field allows; empty for other types."""
        return _choices(self.system, field)


@lru_cache(maxsize=256)
def _choices(system: str, field: str) -> list[str]:
    found = re.search(_CHOICES % re.escape(field), system)
    return found.group(1).split("; ") if found else []


def parse_prompt(messages: list[dict[str, Any]]) -> DspyPrompt | None:
    """The DSPy call behind the messages, or None for a prompt in another format."""
    if not messages or messages[-1].get("role") != "user":
        return None
    last = content_text(messages[-1].get("content"))
    body, marker, demand = last.rpartition("\n\nRespond with ")
    if not marker:
        return None
    as_json = demand.startswith("a JSON object")
    wanted = (_JSON_FIELD if as_json else _CHAT_FIELD).findall(demand)
    if not wanted:
        return None
    system = _texts(messages, "system", "developer")
    examples = _texts(messages[:-1], "user", "assistant")
    return DspyPrompt(
        instruction="\n".join(line.strip() for line in "".join(system).partition(_OBJECTIVE)[2].strip().splitlines()),
        inputs=_sections(body),
        outputs={name: kind or "str" for name, kind in wanted},
        demos="\x1e".join(examples),
        demo_count=len(examples) // 2,
        as_json=as_json,
        system="".join(system),
    )


def _texts(messages: list[dict[str, Any]], *roles: str) -> list[str]:
    return [content_text(message.get("content")) for message in messages if message.get("role") in roles]


def _sections(body: str) -> dict[str, str]:
    parts = _HEADER.split(body)
    return {name: value.strip() for name, value in zip(parts[1::2], parts[2::2], strict=True)}


def render_reply(prompt: DspyPrompt, answers: dict[str, Any]) -> str:
    """The answers in the format the prompt asks for."""
    if prompt.as_json:
        return json.dumps(answers, ensure_ascii=False)
    parts = [f"[[ ## {name} ## ]]\n{_plain(value)}" for name, value in answers.items()]
    return "\n\n".join([*parts, "[[ ## completed ## ]]"])


def _plain(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (list, dict)) else str(value)
