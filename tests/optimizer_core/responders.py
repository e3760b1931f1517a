"""Models with one peculiarity each, by import path for the loopback endpoint. Imports nothing heavy."""

from typing import Any

from tests.loopback.promptformat import parse_prompt

WORDS = {"queue": "billing", "tone": "calm"}


def mute_about_programs(messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
    """Does not keep to the format when asked what the program does; says one thing to everything else."""
    prompt = parse_prompt(messages)
    if prompt is None or "program_description" in prompt.outputs:
        return "I would rather not."
    fields = [f"[[ ## {name} ## ]]\n{WORDS.get(name, f'some {name}')}" for name in prompt.outputs]
    return "\n\n".join([*fields, "[[ ## completed ## ]]"])


def nothing_parses(messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
    return "I would rather not."
