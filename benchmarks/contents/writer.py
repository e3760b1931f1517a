"""A prompt model of known quality for the landscape of contents: it writes instructions of rules, some of them right.

A right rule of a predictor is one of eight; an instruction is worth the share of them that is in it. Asked for a
first instruction the model adds one rule to the program's own, right in a quarter of the cases; shown what an
instruction got wrong it adds one that is right with the probability `skill`, and keeps those that are there.
"""

import re
from collections.abc import Mapping
from typing import Any

from mipro_studio.benchmarks.contents.program import SEEDS
from tests.loopback.hashing import prompt_text, unit
from tests.loopback.promptformat import parse_prompt, render_reply

__all__ = ["Writer", "quality"]

RULES = 8
AT_FIRST = 0.25
_RULE = re.compile(r"Rule (gist|queue) (\d+)\b")
_BLOCK = re.compile(r"```\n?(.*?)\n?```", re.DOTALL)
"""How GEPA shows the instruction to be improved, and takes the improved one."""
OLD = ("current_instruction", "basic_instruction")
NEW = ("improved_instruction", "new_instruction", "proposed_instruction")
"""What ours, DSPy's GEPA and proposers that have seen no mistake ask for."""


def quality(text: str, name: str) -> float:
    """What an instruction of predictor `name` is worth, from 0 to 1."""
    return len({number for of, number in _RULE.findall(text) if of == name and int(number) < RULES}) / RULES


class Writer:
    """`respond(messages)` is a reply to a request for an instruction; None where nothing of the kind is asked for."""

    def __init__(self, seed: int, skill: float) -> None:
        self._seed = seed
        self._skill = skill

    def respond(self, messages: list[dict[str, Any]]) -> str | None:
        prompt = parse_prompt(messages)
        if prompt is None:
            shown = _BLOCK.search(prompt_text(messages))
            return None if shown is None else f"```\n{self._improved(shown[1], messages, self._skill)}\n```"
        wanted = next((name for name in NEW if name in prompt.outputs), None)
        if wanted is None:
            return None
        old = next((prompt.inputs[name] for name in OLD if name in prompt.inputs), "")
        skill = AT_FIRST if wanted == NEW[-1] else self._skill
        answers: Mapping[str, str] = {name: f"a {name}" for name in prompt.outputs}
        return render_reply(prompt, {**answers, wanted: self._improved(old, messages, skill)})

    def _improved(self, old: str, messages: list[dict[str, Any]], skill: float) -> str:
        """`old` with a rule more. One that is not right has a number of its own."""
        name = "queue" if SEEDS["queue"] in old or "Rule queue" in old else "gist"
        known = [int(number) for of, number in _RULE.findall(old) if of == name]
        missing = [number for number in range(RULES) if number not in known]
        said = prompt_text(messages)
        right = missing and unit(self._seed, "right", said) < skill
        draw = unit(self._seed, "which", said)
        new = missing[int(draw * len(missing))] if right else RULES + int(draw * 1_000_000)
        rules = "\n".join(f"Rule {name} {number}." for number in sorted({*known, new}))
        return f"{SEEDS[name]}\n{rules}"
