"""The program of `benchmarks.pipeline`: two predictors, of which no row labels the first."""

from typing import Any, Literal

import dspy

QUEUES = ("billing", "technical", "shipping", "account", "returns", "other")


class Gist(dspy.Signature):  # type: ignore[misc]
    """Name the gist."""

    message: str = dspy.InputField()
    gist: str = dspy.OutputField()


class Classify(dspy.Signature):  # type: ignore[misc]
    """Find the queue."""

    message: str = dspy.InputField()
    gist: str = dspy.InputField()
    queue: Literal["billing", "technical", "shipping", "account", "returns", "other"] = dspy.OutputField()


class Support(dspy.Module):  # type: ignore[misc]
    """First what a message is about, then where it goes."""

    def __init__(self) -> None:
        super().__init__()
        self.gist = dspy.Predict(Gist)
        self.classify = dspy.Predict(Classify)

    def forward(self, message: str) -> dspy.Prediction:
        """The queue, and the gist that it was found by."""
        gist = self.gist(message=message).gist
        return dspy.Prediction(gist=gist, queue=self.classify(message=message, gist=gist).queue)


program = Support


def metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> float:
    """1 where the queue is right."""
    return float(example.queue == prediction.queue)
