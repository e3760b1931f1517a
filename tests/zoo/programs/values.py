"""Programs with typed outputs: numbers, truth values, records, enums, dates, code."""

import datetime
import enum
from dataclasses import dataclass
from typing import Literal, Optional

import dspy
from pydantic import BaseModel, Field
from typing_extensions import TypedDict


def _output(annotation, name="answer", **options):
    signature = dspy.Signature("text -> " + name, "Read the text.").with_updated_fields(name, type_=annotation)
    return signature.with_updated_fields(name, **options) if options else signature


class Reader(dspy.Module):
    """One typed answer about a text."""

    answer = str

    def __init__(self):
        super().__init__()
        self.read = dspy.Predict(_output(self.answer))

    def forward(self, text):
        return self.read(text=text)


class Count(Reader):
    answer = int


class Share(Reader):
    answer = float


class Truth(Reader):
    answer = bool


class Words(Reader):
    answer = list[str]


class Table(Reader):
    answer = dict[str, int]


class Pair(Reader):
    answer = tuple[str, int]


class Maybe(Reader):
    answer = Optional[str]


class Either(Reader):
    answer = int | str


class Label(Reader):
    answer = Literal["even", "odd"]


class Day(Reader):
    answer = datetime.date


class Moment(Reader):
    answer = datetime.datetime


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Rated(Reader):
    answer = Level


class Size(enum.IntEnum):
    SMALL = 1
    LARGE = 2


class Sized(Reader):
    answer = Size


class Item(BaseModel):
    """A line of an order."""

    name: str = Field(description="what it is")
    count: int = 1
    level: Level = Level.LOW


class Order(BaseModel):
    lines: list[Item]
    due: datetime.date
    note: str | None = None


class Line(Reader):
    answer = Item


class Lines(Reader):
    answer = list[Item]


class Ordered(Reader):
    answer = Order


@dataclass
class Point:
    x: int
    y: int = 0


class Placed(Reader):
    answer = Point


class Movie(TypedDict):
    title: str
    year: int


class Filmed(Reader):
    answer = Movie


class Coded(Reader):
    answer = dspy.Code["python"]


class Thinking(dspy.Module):
    """Reasoning as a typed field, then a record."""

    def __init__(self):
        super().__init__()
        self.think = dspy.ChainOfThought(_output(Item))

    def forward(self, text):
        return self.think(text=text)


class Rater(dspy.Module):
    """The answer is called `rating`, the data's label `gold`."""

    def __init__(self):
        super().__init__()
        self.rate = dspy.Predict("text -> rating: int")

    def forward(self, text):
        return self.rate(text=text)


def metric(example, pred, trace=None):
    return pred.answer == example.answer


def close(example, pred, trace=None):
    return 1 - abs(pred.rating - example.gold) / 4


def half_full(example, pred, trace=None):
    return abs(pred.answer - float(example.answer)) < 0.01


def same_day(example, pred, trace=None):
    return pred.answer.isoformat() == example.answer and pred.answer.year > 2000


def same_level(example, pred, trace=None):
    return pred.answer.value == example.answer


def same_line(example, pred, trace=None):
    return pred.answer.count + 1 == example.answer["count"] + 1 and pred.answer.level.value == example.answer["level"]


def same_lines(example, pred, trace=None):
    return [line.count for line in pred.answer] == [line["count"] for line in example.answer]


def same_order(example, pred, trace=None):
    return pred.answer.lines[0].count == example.answer["lines"][0]["count"] and pred.answer.due.year == 2026


def same_point(example, pred, trace=None):
    return pred.answer.x == example.answer["x"]


def same_film(example, pred, trace=None):
    return pred.answer["year"] == example.answer["year"]


def same_pair(example, pred, trace=None):
    return list(pred.answer) == example.answer


def runs(example, pred, trace=None):
    names = {}
    exec(pred.answer.code, names)
    return names["answer"] == example.answer


class Levels(Reader):
    answer = list[Level]


class MaybeItem(Reader):
    answer = Optional[Item]


class Named(Reader):
    answer = dict[str, Item]


class Tags(Reader):
    answer = set[str]


class Aliased(BaseModel):
    total: int = Field(alias="totalCount")
    when: datetime.time = datetime.time(9, 30)


class Counted(Reader):
    answer = Aliased


class Circle(BaseModel):
    kind: Literal["circle"] = "circle"
    radius: float


class Square(BaseModel):
    kind: Literal["square"] = "square"
    side: int


class Shaped(Reader):
    answer = Circle | Square


def same_levels(example, pred, trace=None):
    return [level.value for level in pred.answer] == example.answer


def same_item(example, pred, trace=None):
    return (pred.answer.count if pred.answer else None) == (example.answer["count"] if example.answer else None)


def same_named(example, pred, trace=None):
    return pred.answer["first"].count == example.answer["first"]["count"]


def same_tags(example, pred, trace=None):
    return pred.answer == set(example.answer)


def same_total(example, pred, trace=None):
    return pred.answer.total == example.answer["totalCount"] and pred.answer.when.hour == 9


def same_shape(example, pred, trace=None):
    return pred.answer.kind == example.answer["kind"]
