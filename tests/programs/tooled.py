"""Programs with tools, of all ways to hold them, for tests with a scripted model."""

from typing import Any, Literal

import dspy


def look_up(number: str, field: str = "queue") -> str:
    """The record of a message.

    It has the queue.
    """
    return f"{field} of {number}: billing"


def tally(numbers: list[int]) -> int:
    """Adds numbers up."""
    return sum(numbers)


class Sort(dspy.Signature):
    """Find the queue."""

    message: str = dspy.InputField()
    queue: Literal["billing", "technical", "shipping", "account"] = dspy.OutputField()


class Desk(dspy.Module):
    """An agent with two tools, and a predictor without."""

    def __init__(self) -> None:
        super().__init__()
        described = dspy.Tool(tally, arg_desc={"numbers": "what to add"})
        self.agent = dspy.ReAct(Sort, tools=[look_up, described], max_iters=2)
        self.tone = dspy.Predict("message -> tone: Literal['calm', 'angry']")

    def forward(self, message: str) -> dspy.Prediction:
        return dspy.Prediction(queue=self.agent(message=message).queue, tone=self.tone(message=message).tone)


program = Desk


class Choose(dspy.Signature):
    """Choose a tool."""

    message: str = dspy.InputField()
    tools: list[dspy.Tool] = dspy.InputField()
    tool_calls: dspy.ToolCalls = dspy.OutputField()


class ByInput(dspy.Module):
    """Tools as an input of two predictors, held by one attribute each and in a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.first = dspy.Tool(look_up)
        self.all = (self.first, dspy.Tool(tally))
        self.choose = dspy.Predict(Choose)
        self.again = dspy.Predict(Choose)

    def forward(self, message: str) -> dspy.Prediction:
        self.choose(message=message, tools=list(self.all))
        return self.again(message=message, tools=[self.first])


def second_react() -> dspy.Module:
    return dspy.ReActV2(Sort, tools=[look_up, tally], max_iters=1)


def metric(example: Any, prediction: Any, trace: Any = None) -> float:
    return float(example.queue == prediction.queue)
