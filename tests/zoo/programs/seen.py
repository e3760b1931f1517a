"""Forms that other people's programs have: seen in public repositories, each made small and written anew."""

import functools
from types import SimpleNamespace
from typing import Any

import dspy
from pydantic import BaseModel, Field


class Directly(dspy.Module):
    """Calls forward of its steps, and not the steps."""

    def __init__(self):
        super().__init__()
        self.draft = dspy.ChainOfThought("text -> notes")
        self.decide = dspy.Predict("text, notes -> answer")

    def forward(self, text):
        return self.decide.forward(text=text, notes=self.draft.forward(text=text).notes)


class AwaitedDirectly(Directly):
    """Awaits aforward of its steps; there is no forward."""

    forward = None

    async def aforward(self, text):
        notes = (await self.draft.aforward(text=text)).notes
        return await self.decide.aforward(text=text, notes=notes)


class NoSuper(dspy.Module):
    """Does not call the base class; has both ways in; its answer is a list of tuples."""

    def __init__(self):
        self.segment = dspy.ChainOfThought("text -> notes")
        self.translate = dspy.Predict("segment, context -> answer")

    def forward(self, text: str) -> list[tuple[str, str]]:
        notes = self.segment(text=text).notes
        return [(notes, self.translate(segment=notes, context=text).answer)]

    async def aforward(self, text: str) -> list[tuple[str, str]]:
        notes = (await self.segment.acall(text=text)).notes
        return [(notes, (await self.translate.acall(segment=notes, context=text)).answer)]


def in_tuples(example, pred, trace=None):
    return pred[0][1] == example.answer


class WholeRecord(dspy.Module):
    """Takes a row as one dictionary and hands one back."""

    def __init__(self):
        super().__init__()
        self.step = dspy.Predict("text -> answer")

    def forward(self, record: dict[str, Any]) -> dict[str, Any]:
        answer = self.step(text=record["text"]).answer
        return {"id": record["id"], "answer": answer}


def in_record(example, pred, trace=None):
    return pred["answer"] == example.answer and pred["id"] == example.record["id"]


class Review(BaseModel):
    effort: int = Field(ge=0, le=9, alias="effort_[0-9]")
    answer: str
    issues: list[str] = Field(default_factory=list)


class Reviewer(dspy.Module):
    """Answers with a record, and not with a prediction; one of its fields has an alias that is no name."""

    class Ask(dspy.Signature):
        """Review the item."""

        text: str = dspy.InputField()
        review: Review = dspy.OutputField()

    def __init__(self):
        super().__init__()
        self.step = dspy.ChainOfThought(self.Ask)

    def forward(self, text: str) -> Review:
        return self.step(text=text).review


class Correcting(dspy.Module):
    """Writes into the prediction that a step gave."""

    def __init__(self):
        super().__init__()
        self.base = dspy.ChainOfThought("text -> answer")

    def forward(self, text):
        prediction = self.base(text=text)
        prediction.answer = prediction.answer.upper()
        prediction.was_corrected = True
        return prediction


def in_upper_case(example, pred, trace=None):
    return pred.answer == example.answer.upper() and pred.was_corrected


class Session:
    """Holds the steps that a program has, and asks them."""

    def __init__(self):
        self.asks = dspy.Predict("text -> notes")
        self.tells = dspy.ChainOfThought("text, notes -> answer")

    def query(self, text):
        return self.tells(text=text, notes=self.asks(text=text).notes)


class InSession(dspy.Module):
    """Its steps are asked by an object that it holds."""

    def __init__(self):
        super().__init__()
        self.session = Session()
        self.asks, self.tells = self.session.asks, self.session.tells

    def forward(self, text):
        return self.session.query(text)


class ByMethods(dspy.Module):
    """Goes through a list of its own methods, one of them with an argument bound."""

    def __init__(self):
        super().__init__()
        self.draft = dspy.Predict("text -> notes")
        self.decide = dspy.ChainOfThought("text, notes -> answer")
        self.stages = [self.noted, functools.partial(self.decided, fallback="none")]

    def noted(self, state):
        state.notes = self.draft(text=state.text).notes

    def decided(self, state, fallback):
        state.answer = self.decide(text=state.text, notes=state.notes).answer or fallback

    def forward(self, text):
        state = SimpleNamespace(text=text, notes="", answer="")
        for stage in self.stages:
            stage(state)
        return dspy.Prediction(answer=state.answer)


class Delegating(dspy.Module):
    """An agent whose tools are a method of the program that asks a model, and a function of its own __init__."""

    def __init__(self):
        super().__init__()
        self.expert = dspy.Predict("question -> notes")

        def tally(numbers: list[int]) -> int:
            """The sum of some numbers."""
            return sum(numbers)

        self.agent = dspy.ReAct("text -> answer", tools=[self.look_up, tally], max_iters=3)

    def look_up(self, number: str) -> str:
        """What an expert says about an item by its number."""
        return self.expert(question=f"What of item {number}?").notes

    def forward(self, text):
        return self.agent(text=text)


class Kept(dspy.ReAct):
    """A subclass of an agent with its own signature and history."""

    class Ask(dspy.Signature):
        """Respond to the user."""

        given: dspy.History = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    def __init__(self, *, tools=(), max_iters=3):
        super().__init__(self.Ask, tools=[*tools, self.stock], max_iters=max_iters)

    def stock(self, number: str) -> str:
        """The stock of an item by its number."""
        return f"item {number} has {int(number) * 3} left"


class Setup:
    """A program inside of another object."""

    def __init__(self):
        self.program = dspy.ChainOfThought("text -> answer")


app = Setup()


def metric(example, pred, trace=None):
    return pred.answer == example.answer
