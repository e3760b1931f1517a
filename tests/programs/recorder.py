"""A `dspy.LM` that sends nothing, keeps what it was asked and answers by a table. Needs DSPy and nothing of ours."""

import json
from typing import Any

import dspy
from dspy import lm15

ASKED: list[list[Any]] = []
"""[model, temperature, [[role, text], ...]] of every request, the system text first."""

ANSWERS: dict[str, Any] = {
    "notes": "short",
    "reasoning": "so",
    "items": [{"name": "bolts", "count": 3}],
    "level": "high",
    "due": "2024-05-01",
    "answer": "heavy",
    "queue": "billing",
}


def _text(parts: Any) -> str:
    if isinstance(parts, str) or parts is None:
        return parts or ""
    return "".join(getattr(part, "text", None) or repr(part) for part in parts)


class Engine:
    def __init__(self, name: str) -> None:
        self.name = name

    def complete(self, request: lm15.Request) -> lm15.Response:
        told = [["system", _text(request.system)], *([one.role, _text(one.parts)] for one in request.messages)]
        ASKED.append([self.name, request.config.temperature, told])
        said = lm15.Message.assistant([lm15.TextPart(_reply(told))])
        usage = lm15.Usage(input_tokens=1, output_tokens=1)
        return lm15.Response(id=None, model=self.name, message=said, finish_reason="stop", usage=usage)

    def __deepcopy__(self, memo: Any) -> "Engine":
        return self


def _reply(told: list[list[str]]) -> str:
    """In the form of the adapter that asked, as far as its words show it."""
    system, last = told[0][1], told[-1][1]
    answers = {name: value for name, value in ANSWERS.items() if name in system + last}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in answers.items()}
    if "JSON object" in last:
        return json.dumps(answers)
    if "[[ ## " in system:
        return "".join(f"[[ ## {name} ## ]]\n{text}\n\n" for name, text in texts.items())
    if "<" in last:
        return "".join(f"<{name}>\n{text}\n</{name}>\n" for name, text in texts.items())
    return json.dumps(answers)


class LM(dspy.LM):
    """Takes the place of `dspy.LM`."""

    def __init__(self, model: str, **settings: Any) -> None:
        kept = {name: settings[name] for name in ("temperature", "max_tokens") if name in settings}
        super().__init__(model, engine=Engine(model), cache=False, **kept)
