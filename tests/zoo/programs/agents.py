"""Agents and modules that run other modules."""

import inspect

import dspy
from pydantic import BaseModel

STOCK = {str(n): n * 3 for n in range(100)}


def look_up(number: str) -> str:
    """The stock of an item by its number."""
    return f"item {number} has {STOCK[number]} left"


def tally(numbers: list[int]) -> int:
    """The sum of some numbers."""
    return sum(numbers)


agent = dspy.ReAct("text -> answer", tools=[look_up, tally], max_iters=3)


class Found(BaseModel):
    answer: str
    left: int


class Clerk(dspy.Module):
    """An agent inside a module, with a typed answer."""

    class Ask(dspy.Signature):
        """Find out what is left of the item."""

        text: str = dspy.InputField()
        found: Found = dspy.OutputField()

    def __init__(self):
        super().__init__()
        self.agent = dspy.ReAct(self.Ask, tools=[dspy.Tool(look_up, name="stock", desc="asks the storeroom")])

    def forward(self, text):
        found = self.agent(text=text).found
        return dspy.Prediction(answer=found.answer, left=found.left)


class Native(dspy.Module):
    """Calls tools by itself: tools go in, tool calls come out."""

    class Ask(dspy.Signature):
        """Choose a tool."""

        text: str = dspy.InputField()
        tools: list[dspy.Tool] = dspy.InputField()
        tool_calls: dspy.ToolCalls = dspy.OutputField()

    def __init__(self):
        super().__init__()
        self.tools = {"look_up": dspy.Tool(look_up)}
        self.choose = dspy.Predict(self.Ask)
        self.finish = dspy.Predict("text, facts -> answer")

    def forward(self, text):
        calls = self.choose(text=text, tools=list(self.tools.values())).tool_calls.tool_calls
        facts = [str(self.tools[call.name](**call.args)) for call in calls]
        return self.finish(text=text, facts=facts)


def second_react():
    """The second generation of ReAct."""
    return dspy.ReActV2("text -> answer", tools=[look_up], max_iters=3)


class Calculator:
    """Runs the code of an agent in this process."""

    def __init__(self):
        self.names = {}
        self.tools = {}

    def start(self):
        pass

    def shutdown(self):
        pass

    def execute(self, code, variables=None):
        self.names.setdefault("SUBMIT", lambda value: self.names.__setitem__("submitted", value))
        exec(code, self.names)
        return self.names.pop("submitted", None)


def triple(number: int) -> int:
    """Three times the number."""
    return number * 3


def code_act():
    return dspy.CodeAct("text -> answer", tools=[triple], max_iters=2, interpreter_factory=Calculator)


def recursive():
    """Explores its inputs in an interpreter, a process of its own for each run."""
    return dspy.RLM("text -> answer", max_iters=3, tools=[triple], interpreter_factory=dspy.LocalInterpreter)


def program_of_thought():
    return dspy.ProgramOfThought("text -> answer", interpreter_factory=Calculator)


class Compare(dspy.Module):
    """Three chains, then one that compares them."""

    def __init__(self):
        super().__init__()
        self.chains = [dspy.ChainOfThought("text -> answer", temperature=0.1 * (i + 1)) for i in range(3)]
        self.compare = dspy.MultiChainComparison("text -> answer", M=3)

    def forward(self, text):
        return self.compare([chain(text=text) for chain in self.chains], text=text)


class Guess(dspy.Module):
    def __init__(self):
        super().__init__()
        self.guess = dspy.ChainOfThought("text -> answer")

    def forward(self, text):
        return self.guess(text=text)


def is_even(args, pred):
    """Likes even ones."""
    return float(pred.answer == "even")


class Best(dspy.Module):
    def __init__(self):
        super().__init__()
        self.best = dspy.BestOfN(Guess(), N=2, reward_fn=is_even, threshold=1.0)

    def forward(self, text):
        return self.best(text=text)


class Refined(dspy.Module):
    def __init__(self):
        super().__init__()
        self.refined = dspy.Refine(Guess(), N=2, reward_fn=is_even, threshold=1.0)

    def forward(self, text):
        return self.refined(text=text)


class Majority(dspy.Module):
    """Several completions of one call, and the answer that most of them give."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text -> answer", n=3, temperature=0.7)

    def forward(self, text):
        return dspy.majority(self.ask(text=text).completions)


class Explains(dspy.Module):
    """Writes about its own source, as tools for notebooks do."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text, source -> answer")

    def forward(self, text):
        return self.ask(text=text, source=inspect.getsource(type(self))[:80])


def metric(example, pred, trace=None):
    return pred.answer == example.answer
