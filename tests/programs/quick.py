"""The desk at memory speed: predictors that answer by arithmetic on their instruction, demos and input.

A life of a run that is killed after every commit is played thousands of times; a call through DSPy's adapters takes
two milliseconds, and nothing about a decision depends on them.
"""

from functools import cache
from hashlib import blake2b
from typing import Any

import dspy

from tests.programs import desk


@cache
def unit(*parts: Any) -> float:
    """A number from 0 to 1 that `parts` decide."""
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=6).digest(), "big") / 2**48


@cache
def answer(instruction: str, demos: str, message: str, field: str, tuned: bool = False) -> str:
    labels = desk.QUEUES if field == "queue" else desk.TONES
    right = labels[int(unit("gold", message, field) * len(labels))]
    quality = 0.25 + 0.4 * unit("instruction", instruction) + 0.3 * unit("demos", demos) + 0.2 * tuned
    if unit("difficulty", message, field) < quality:
        return right
    return labels[(labels.index(right) + 1) % len(labels)]


class Quick(dspy.Predict):
    def forward(self, **kwargs: Any) -> dspy.Prediction:
        (field,) = self.signature.output_fields
        demos = repr([sorted(dict(demo.items()).items()) for demo in self.demos])
        tuned = "tuned" in getattr(self.lm or dspy.settings.lm, "model", "")
        found = answer(self.signature.instructions, demos, kwargs["message"], field, tuned)
        return self._forward_postprocess([{field: found}], self.signature, **kwargs)


class Desk(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.queue = Quick(desk.Queue)
        self.tone = Quick(desk.Tone)

    def forward(self, message: str) -> dspy.Prediction:
        return dspy.Prediction(queue=self.queue(message=message).queue, tone=self.tone(message=message).tone)


class QueueOnly(dspy.Module):
    """One predictor."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = Quick(desk.Queue)

    def forward(self, message: str) -> dspy.Prediction:
        return self.queue(message=message)


program = Desk


def metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> float:
    """Right answers are `unit("gold", ...)`'s and not the rows'."""
    asked = [(name, labels) for name, labels in (("queue", desk.QUEUES), ("tone", desk.TONES)) if name in prediction]
    right = [
        getattr(prediction, name) == labels[int(unit("gold", example.message, name) * len(labels))]
        for name, labels in asked
    ]
    return sum(right) / len(asked)
