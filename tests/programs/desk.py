"""A two-predictor program with a made-up data set, for tests against the loopback endpoint."""

import random
from typing import Any, Literal

import dspy

QUEUES = ("billing", "technical", "shipping", "account")
TONES = ("calm", "angry")


class Queue(dspy.Signature):
    """Find the queue."""

    message: str = dspy.InputField()
    queue: Literal["billing", "technical", "shipping", "account"] = dspy.OutputField()


class Tone(dspy.Signature):
    """Find the tone."""

    message: str = dspy.InputField()
    tone: Literal["calm", "angry"] = dspy.OutputField()


class Desk(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.queue = dspy.Predict(Queue)
        self.tone = dspy.Predict(Tone)

    def forward(self, message: str) -> dspy.Prediction:
        return dspy.Prediction(queue=self.queue(message=message).queue, tone=self.tone(message=message).tone)


program = Desk


def metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> float:
    return ((example.queue == prediction.queue) + (example.tone == prediction.tone)) / 2


def rows(count: int, seed: int = 0) -> list[dict[str, str]]:
    rng = random.Random(seed)
    return [
        {
            "message": f"message {number} {rng.random():.6f}",
            "queue": rng.choice(QUEUES),
            "tone": rng.choice(TONES),
        }
        for number in range(count)
    ]


def gold(data: list[dict[str, str]]) -> dict[str, dict[str, str]]:
    """What the loopback endpoint's oracle needs to know."""
    return {row["message"]: {"queue": row["queue"], "tone": row["tone"]} for row in data}
