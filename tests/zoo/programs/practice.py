"""Programs as people have them at work: records with aliases and validators, tool servers, retries, saved programs."""

import asyncio
import datetime
import enum
import functools
import os
import tempfile
import threading
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Generic, Literal, NamedTuple, Optional, TypedDict, TypeVar, Union

import dspy
from dspy.experimental import Choice, Noul, Score
from pydantic import BaseModel, ConfigDict, Field, computed_field, field_validator
from pydantic.alias_generators import to_camel


def metric(example, pred, trace=None):
    return pred.answer == example.answer


def same_dump(example, pred, trace=None):
    return pred.answer.model_dump(mode="json") == example.answer


def same_value(example, pred, trace=None):
    return pred.answer.value == example.answer


def same_text(example, pred, trace=None):
    return str(pred.answer) == str(example.answer)


class Status(enum.StrEnum):
    OPEN = enum.auto()
    PAID = enum.auto()


class Line(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)
    line_total: Decimal
    sold_on: datetime.date
    tags: Optional[list[Status]] = None


class Invoice(BaseModel):
    model_config = ConfigDict(extra="allow")
    number: str
    lines: list[Line]
    status: Status = Status.OPEN

    @field_validator("number", mode="before")
    @classmethod
    def upper(cls, value):
        return str(value).upper()

    @computed_field
    @property
    def total(self) -> Decimal:
        return sum((line.line_total for line in self.lines), Decimal(0))


def same_invoice(example, pred, trace=None):
    gold = Invoice.model_validate(example.answer)
    return (pred.answer.total, pred.answer.number) == (gold.total, gold.number)


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    barks: bool


class Owner(BaseModel):
    pet: Union[Cat, Dog] = Field(discriminator="kind")


T = TypeVar("T")


class Box(BaseModel, Generic[T]):
    content: T
    sure: float = 1.0


class Spot(NamedTuple):
    row: int
    column: str


def same_spot(example, pred, trace=None):
    return list(pred.answer) == example.answer and pred.answer.row == example.answer[0]


def same_by_status(example, pred, trace=None):
    return {key.value: value for key, value in pred.answer.items()} == example.answer


class Event(dspy.Type):
    """A type of one's own for DSPy."""

    title: str
    hour: int

    def format(self):
        return f"{self.title}@{self.hour}"


def same_event(example, pred, trace=None):
    return (pred.answer.title, pred.answer.hour) == (example.answer["title"], example.answer["hour"])


class Reader(dspy.Module):
    def __init__(self, kind=str, **described):
        super().__init__()
        signature = dspy.Signature("text -> answer", "Read the text.")
        self.read = dspy.Predict(signature.with_updated_fields("answer", type_=kind, **described))

    def forward(self, text):
        return self.read(text=text)


invoices = functools.partial(Reader, Invoice)
owners = functools.partial(Reader, Owner)
boxes = functools.partial(Reader, Box[Status])
spots = functools.partial(Reader, Spot)
by_status = functools.partial(Reader, dict[Status, int])
events = functools.partial(Reader, Event)
Deciding = functools.partial(Reader, desc="what the number is")
choices = functools.partial(Deciding, Choice[("odd", "no half of it"), ("even", "two halves")])
truths = functools.partial(Deciding, Noul[(True, "even"), (False, "odd")])
grades = functools.partial(Deciding, Score["poor", "fair", "good"])
natives = functools.partial(Deciding, Annotated[Literal["odd", "even"], Choice])
moneys = functools.partial(Reader, Decimal)
stars = functools.partial(Reader, Annotated[int, Field(ge=1, le=30)])


class Page(BaseModel):
    title: str
    picture: dspy.Image | None = None

    @classmethod
    def of(cls, title, picture):
        return cls(title=title, picture=dspy.Image(picture) if picture else None)


class Looks(dspy.Module):
    class Ask(dspy.Signature):
        """Look at the page."""

        page: Page = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    def __init__(self):
        super().__init__()
        self.ask = dspy.ChainOfThought(self.Ask)

    def forward(self, page: Page, text: str):
        return self.ask(page=page, text=text)


@dataclass
class Settings:
    depth: int = 1
    names: list[str] = field(default_factory=list)


class Film(TypedDict, total=False):
    title: str


class Structured(dspy.Module):
    """forward() works with what it declares; its predictor takes text."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text, shown -> answer")

    def forward(self, settings: Settings, films: list[Film], when: datetime.datetime, text: str):
        day = (when + datetime.timedelta(days=1)).strftime("%d %b %Y")
        return self.ask(text=text, shown=f"{settings.depth} {[film['title'] for film in films]} {day}")


async def look_up(number: str) -> str:
    """Looks a number up."""
    await asyncio.sleep(0)
    return f"about {number}"


class AsyncTools(dspy.Module):
    def __init__(self):
        super().__init__()
        self.agent = dspy.ReAct("text -> answer", tools=[dspy.Tool(look_up)], max_iters=3)

    async def aforward(self, text):
        return await self.agent.acall(text=text)


class Session:
    """A client of a tool server, which cannot be copied."""

    def __init__(self):
        self.lock = threading.Lock()

    def call(self, name, arguments):
        with self.lock:
            return f"{name}: about {arguments}"


def served(session, name, description):
    def call(**arguments):
        return session.call(name, arguments)

    return dspy.Tool(
        func=call,
        name=name,
        desc=description,
        args={"number": {"type": "string", "description": "which"}},
        arg_types={"number": str},
        arg_desc={"number": "which"},
    )


class ServedTools(dspy.Module):
    """Tools as dspy.Tool.from_mcp_tool makes them: a name, a schema and a closure over the session."""

    def __init__(self):
        super().__init__()
        session = Session()
        tools = [served(session, "look_up", "Looks it up."), served(session, "shelf", "Which shelf.")]
        self.agent = dspy.ReAct(dspy.Signature("text -> answer", "Find out, then say."), tools=tools, max_iters=3)

    def forward(self, text):
        return self.agent(text=text)


class Rollouts(dspy.Module):
    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text -> answer", temperature=0.3, max_tokens=50)

    def forward(self, text):
        asked = [self.ask(text=text, config={"rollout_id": at, "temperature": 1.0}) for at in range(2)]
        return dspy.majority(dspy.Prediction.from_completions({"answer": [one.answer for one in asked]}))


def ensemble():
    return dspy.Ensemble(reduce_fn=dspy.majority).compile([Reader(), Reader()])


def loaded_whole():
    """A program that was saved with its code, as dspy.load gives it."""
    path = os.path.join(tempfile.mkdtemp(), "whole")
    program = Reader()
    program.read.demos = [dspy.Example(text="Tell me about item 8.", answer="even", augmented=True)]
    program.save(path, save_program=True)
    return dspy.load(path, allow_pickle=True)


class JudgedRetry(dspy.Module):
    """Refine whose reward asks a model."""

    def __init__(self):
        super().__init__()
        self.judge = dspy.Predict("text, answer -> right: bool")
        self.refine = dspy.Refine(dspy.ChainOfThought("text -> answer"), N=2, reward_fn=self.reward, threshold=1.0)

    def reward(self, arguments, pred):
        return float(self.judge(text=arguments["text"], answer=pred.answer).right)

    def forward(self, text):
        return self.refine(text=text)


class OwnState(dspy.Module):
    """Keeps something of its own in the saved state."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text, hint -> answer")
        self.hint = "none"

    def forward(self, text):
        return self.ask(text=text, hint=self.hint)

    def dump_state(self, *arguments, **options):
        return {**super().dump_state(*arguments, **options), "hint": self.hint}

    def load_state(self, state, *arguments, **options):
        state = dict(state)
        self.hint = state.pop("hint", "none")
        return super().load_state(state, *arguments, **options)


class Record(BaseModel):
    answer: str
    length: int


class PutsOutARecord(Reader):
    def forward(self, text):
        answer = self.read(text=text).answer
        return Record(answer=answer, length=len(answer))
