"""Tools are called by the endpoint's own function calling."""

import dspy
from answers import metric

__all__ = ["Program", "metric"]


def look_up(number: str) -> str:
    """The stock of an item by its number."""
    return f"item {number} is left"


class Choose(dspy.Signature):
    """Choose a tool."""

    text: str = dspy.InputField()
    tools: list[dspy.Tool] = dspy.InputField()
    tool_calls: dspy.ToolCalls = dspy.OutputField()


class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.tools = [dspy.Tool(look_up)]
        self.choose = dspy.Predict(Choose)
        self.finish = dspy.Predict("text, facts: list[str] -> answer")

    def forward(self, text):
        calls = self.choose(text=text, tools=self.tools).tool_calls.tool_calls
        return self.finish(text=text, facts=[look_up(**call.args) for call in calls])


dspy.configure(adapter=dspy.ChatAdapter(use_native_function_calling=True))
