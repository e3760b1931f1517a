"""Programs with one peculiarity each, for the same rows as `desk`."""

from typing import Any

import dspy

from tests.programs.desk import Desk, Queue, metric

__all__ = [
    "Careless",
    "Demonstrated",
    "QueueOnly",
    "Single",
    "Twice",
    "five_metric",
    "metric",
    "queue_metric",
    "wide_metric",
]


def queue_metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> float:
    return float(example.queue == prediction.queue)


def wide_metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> float:
    """From 1 to 100: the worst score is what others call perfect."""
    return 1 + 99 * metric(example, prediction, trace)


def broken_metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> float:
    return float({}["colour"])


def five_metric(gold: Any, pred: Any, trace: Any, pred_name: Any, pred_trace: Any) -> dspy.Prediction:
    """GEPA's protocol, nothing optional."""
    told = f"FEEDBACK ON {pred_name}: {len(pred_trace)} of {len(trace)} calls" if pred_name else ""
    return dspy.Prediction(score=metric(gold, pred), feedback=told)


class QueueOnly(dspy.Module):
    """One predictor."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = dspy.Predict(Queue)

    def forward(self, message: str) -> dspy.Prediction:
        return self.queue(message=message)


Single = dspy.Predict(Queue)


class Demonstrated(QueueOnly):
    """Comes with a demo of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.queue.demos = [dspy.Example(message="my own demo", queue="shipping")]


class Careless(Desk):
    """Swallows whatever goes wrong."""

    def forward(self, message: str) -> dspy.Prediction:
        try:
            return super().forward(message)
        except Exception:  # noqa: BLE001 - the point of this program
            return dspy.Prediction(queue="billing", tone="calm")


class Twice(QueueOnly):
    """Calls its predictor twice."""

    def forward(self, message: str) -> dspy.Prediction:
        self.queue(message=message)
        return self.queue(message=f"{message} again")
