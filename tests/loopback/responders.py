"""What the endpoint answers: `responder(messages, body) -> str`, a pure function of its arguments."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import Any

from tests.loopback.config import LoopbackConfig
from tests.loopback.hashing import content_text, digest, prompt_text, unit
from tests.loopback.promptformat import DspyPrompt, parse_prompt, render_reply

Responder = Callable[[list[dict[str, Any]], dict[str, Any]], str]

_STATED_QUALITY = re.compile(r"\bq=(\d*\.?\d+)")
_DEMO_GAIN, _DEMO_GAIN_MAX, _DEMO_SPREAD = 0.02, 0.08, 0.06
_COMPLETE_CHANCE = 0.3
_OPENINGS = (
    "Read the {inputs} closely and",
    "Given the {inputs}, think about what it implies and",
    "You are a careful expert. Study the {inputs} and",
    "Work step by step through the {inputs},",
)
_ENDINGS = (
    "answer with the best value.",
    "decide, then state the result with no extra words.",
    "weigh the evidence before you commit.",
    "prefer the literal reading when in doubt.",
)


def echo(messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
    """The text of the last message."""
    del body
    return content_text(messages[-1].get("content")) if messages else ""


class Oracle:
    """Plays the language model behind a DSPy program.

    Fields with a gold answer are right with a probability the instruction and the demos decide;
    the fields of DSPy's instruction proposer get prose that differs from prompt to prompt; any
    other field gets a value of its type.
    """

    def __init__(self, config: LoopbackConfig) -> None:
        self._config = config
        self._gold = {text.strip(): dict(fields) for text, fields in config.gold.items()}
        self._labels: dict[str, list[Any]] = {name: list(values) for name, values in config.labels.items()}
        for fields in self._gold.values():
            for name, value in fields.items():
                known = self._labels.setdefault(name, [])
                if name not in config.labels and value not in known:
                    known.append(value)

    def __call__(self, messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        salt = digest(self._config.seed, *(body.get(name) for name in self._config.salt_fields))
        prompt = parse_prompt(messages)
        if prompt is None:
            return f"Noted ({digest(salt, prompt_text(messages))[:8]})."
        example, gold = self._find(prompt)
        answers: dict[str, Any] = {}
        for name, kind in prompt.outputs.items():
            if name in gold:
                answers[name] = self._answer(prompt, example, name, gold[name], salt)
            else:
                answers[name] = _invented(prompt, name, kind, salt)
        return render_reply(prompt, answers)

    def quality(self, instruction: str, demos: str = "", demo_count: int = 0) -> float:
        """Probability of a right answer under an instruction and demos."""
        stated = _STATED_QUALITY.search(instruction)
        if stated:
            level = float(stated.group(1))
        else:
            draw = unit("instruction", self._config.seed, instruction)
            level = self._config.base_quality - 0.2 + 0.5 * draw
        if demo_count:
            spread = _DEMO_SPREAD * (unit("demos", self._config.seed, demos) - 0.5)
            level += min(_DEMO_GAIN * demo_count, _DEMO_GAIN_MAX) + spread
        return min(max(level, 0.0), 1.0)

    def _find(self, prompt: DspyPrompt) -> tuple[str, dict[str, Any]]:
        for value in prompt.inputs.values():
            if (gold := self._gold.get(value)) is not None:
                return value, gold
        return "", {}

    def _answer(self, prompt: DspyPrompt, example: str, name: str, gold: Any, salt: str) -> Any:
        whole = (example, name, prompt.instruction, prompt.demos, salt)
        # An example of fixed difficulty asks the same of every prompt, as real ones tend to.
        fixed = unit("fixed", salt, example, name) < self._config.correlation
        draw = unit("difficulty", salt, example, name) if fixed else unit("draw", *whole)
        if draw < self.quality(prompt.instruction, prompt.demos, prompt.demo_count):
            return gold
        others = [value for value in self._labels.get(name) or prompt.choices(name) if value != gold]
        if not others:
            return f"not {gold}"
        return others[int(unit("wrong", *whole) * len(others))]


def _invented(prompt: DspyPrompt, name: str, kind: str, salt: str) -> Any:
    inputs = "\x1e".join(f"{key}\x1f{value}" for key, value in prompt.inputs.items())
    key = (name, prompt.instruction, prompt.demos, inputs, salt)
    tag, draw = digest(*key)[:8], unit("invented", *key)
    if choices := prompt.choices(name):
        return choices[int(draw * len(choices))]
    if kind != "str":
        return _typed(kind, draw, tag)
    names = ", ".join(prompt.inputs)
    prose: dict[str, str] = {
        "proposed_instruction": _instruction(prompt, draw, tag),
        "observations": f"The samples share a short, factual style; labels look balanced (note {tag}).",
        "summary": f"Short factual samples with balanced labels (summary {tag}).",
        "program_description": f"The program maps an input to an answer with a single call (program {tag}).",
        "module_description": f"The module turns {names} into its output fields (module {tag}).",
        "reasoning": f"The {names} point to one answer, so I choose it ({tag}).",
    }
    if name == "observations" and "prior_observations" in prompt.inputs and draw < _COMPLETE_CHANCE:
        return "COMPLETE"
    return prose.get(name, f"{name} {tag}")


def _instruction(prompt: DspyPrompt, draw: float, tag: str) -> str:
    opening = _OPENINGS[int(draw * len(_OPENINGS))].format(inputs=_subject(prompt))
    ending = _ENDINGS[int(draw * 1000) % len(_ENDINGS)]
    return f"{opening} {ending} (variant {tag})"


def _subject(prompt: DspyPrompt) -> str:
    """The task's own input names, which the proposer quotes as `Predict(text) -> label`."""
    found = re.match(r"\w+\(([^)]*)\)", prompt.inputs.get("module", ""))
    return found.group(1) if found and found.group(1) else "input"


def _typed(kind: str, draw: float, tag: str) -> Any:
    if kind.startswith("Optional["):
        kind = kind[len("Optional[") : -1]
    if kind == "bool":
        return draw < 0.5
    if kind == "int":
        return int(draw * 10)
    if kind == "float":
        return round(draw, 3)
    if kind.startswith(("list[", "set[", "tuple[")):
        return [_typed(kind.partition("[")[2][:-1], draw, tag)]
    if kind.startswith("dict"):
        return {"key": tag}
    return tag


def build_responder(config: LoopbackConfig) -> Responder:
    """The responder a configuration names."""
    spec = config.responder
    if callable(spec):
        return spec
    if spec == "echo":
        return echo
    if spec == "oracle":
        return Oracle(config)
    module, separator, name = spec.partition(":")
    if not separator:
        raise ValueError(f'unknown responder {spec!r}: use "echo", "oracle" or "module:function"')
    target: Any = importlib.import_module(module)
    for part in name.split("."):
        target = getattr(target, part)
    if not callable(target):
        raise ValueError(f"{spec} is not callable")
    return target  # type: ignore[no-any-return]
