"""The programs of `benchmarks.pipeline`: chains of one, two or four predictors. Rows label the last one alone."""

from typing import Any, Literal
from zlib import crc32

import dspy

QUEUES = ("billing", "technical", "shipping", "account", "returns", "other")
CHAINS = {1: ("queue",), 2: ("gist", "queue"), 4: ("gist", "topic", "urgency", "queue")}
"""What the predictors put out, in their order, by how many there are."""
PREDICTORS = {"gist": "gist", "topic": "topic", "urgency": "urgency", "queue": "classify"}
"""The predictors' names by what they put out."""
SEEDS = {
    "gist": "Name the gist.",
    "topic": "Name the topic.",
    "urgency": "Name the urgency.",
    "queue": "Find the queue.",
}
COIN = 0.2
"""Share of the rows' outcomes that the noisy metric scores by a coin."""

Queue = Literal["billing", "technical", "shipping", "account", "returns", "other"]


class Gist(dspy.Signature):  # type: ignore[misc]
    """Name the gist."""

    message: str = dspy.InputField()
    gist: str = dspy.OutputField()


class Topic(dspy.Signature):  # type: ignore[misc]
    """Name the topic."""

    message: str = dspy.InputField()
    gist: str = dspy.InputField()
    topic: str = dspy.OutputField()


class Urgency(dspy.Signature):  # type: ignore[misc]
    """Name the urgency."""

    message: str = dspy.InputField()
    topic: str = dspy.InputField()
    urgency: str = dspy.OutputField()


class Classify(dspy.Signature):  # type: ignore[misc]
    """Find the queue."""

    message: str = dspy.InputField()
    gist: str = dspy.InputField()
    queue: Queue = dspy.OutputField()


class ClassifyAlone(dspy.Signature):  # type: ignore[misc]
    """Find the queue."""

    message: str = dspy.InputField()
    queue: Queue = dspy.OutputField()


class ClassifyUrgent(dspy.Signature):  # type: ignore[misc]
    """Find the queue."""

    message: str = dspy.InputField()
    urgency: str = dspy.InputField()
    queue: Queue = dspy.OutputField()


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


class Single(dspy.Module):  # type: ignore[misc]
    """Where a message goes."""

    def __init__(self) -> None:
        super().__init__()
        self.classify = dspy.Predict(ClassifyAlone)

    def forward(self, message: str) -> dspy.Prediction:
        """The queue."""
        return dspy.Prediction(queue=self.classify(message=message).queue)


class Four(dspy.Module):  # type: ignore[misc]
    """Gist, topic, urgency, and where a message goes: each from the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.gist = dspy.Predict(Gist)
        self.topic = dspy.Predict(Topic)
        self.urgency = dspy.Predict(Urgency)
        self.classify = dspy.Predict(ClassifyUrgent)

    def forward(self, message: str) -> dspy.Prediction:
        """The queue, and all that it was found by."""
        gist = self.gist(message=message).gist
        topic = self.topic(message=message, gist=gist).topic
        urgency = self.urgency(message=message, topic=topic).urgency
        queue = self.classify(message=message, urgency=urgency).queue
        return dspy.Prediction(gist=gist, topic=topic, urgency=urgency, queue=queue)


program = Support


def metric(example: Any, prediction: Any, trace: Any = None) -> float:
    """1 where the queue is right."""
    return float(example.queue == prediction.queue)


def graded(example: Any, prediction: Any, trace: Any = None) -> float:
    """Half for the queue, half for the share of what was said before it that is no copy of the message."""
    steps = [name for name in ("gist", "topic", "urgency") if hasattr(prediction, name)]
    said = sum(not str(getattr(prediction, name)).startswith(f"{name} of ") for name in steps)
    return 0.5 * metric(example, prediction) + 0.5 * said / len(steps)


def noisy(example: Any, prediction: Any, trace: Any = None) -> float:
    """As `metric`, but for a fifth of the rows' outcomes, which a coin decides."""
    coin = crc32(f"{example.message} {prediction.queue}".encode()) / 2**32
    return float(coin < COIN / 2) if coin < COIN else metric(example, prediction)
