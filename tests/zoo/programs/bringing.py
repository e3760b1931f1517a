"""Programs that bring demos, and programs that hold what cannot be copied."""

import datetime
import enum
import sqlite3
import threading

import dspy
import numpy
from pydantic import BaseModel


class Grade(enum.Enum):
    GOOD = "good"
    POOR = "poor"


class Note(BaseModel):
    day: datetime.date
    grade: Grade = Grade.GOOD


class Shown(dspy.Module):
    """Brings two demos, one of them without its reasoning."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.ChainOfThought("text -> answer")
        self.ask.predict.demos = [
            dspy.Example(text="Tell me about item 8.", reasoning="eight is two times four", answer="even"),
            dspy.Example(text="Tell me about item 7.", answer="odd"),
        ]

    def forward(self, text):
        return self.ask(text=text)


class ShownTyped(dspy.Module):
    """Brings demos that are no JSON: records, dates, enums."""

    class Ask(dspy.Signature):
        """Say whether the number is even or odd, and note it."""

        text: str = dspy.InputField()
        day: datetime.date = dspy.InputField()
        note: Note = dspy.OutputField()
        grades: list[Grade] = dspy.OutputField()
        answer: str = dspy.OutputField()

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict(self.Ask)
        day = datetime.date(2026, 1, 2)
        shown = dspy.Example(text="item 8", day=day, note=Note(day=day), grades=[Grade.POOR], answer="even")
        self.ask.demos = [shown]

    def forward(self, text):
        return self.ask(text=text, day=datetime.date(2026, 5, 4))


class ShownDicts(dspy.Module):
    """Demos as plain dictionaries."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text -> answer")
        self.ask.demos = [{"text": "Tell me about item 8.", "answer": "even"}]

    def forward(self, text):
        return self.ask(text=text)


class ShownAugmented(dspy.Module):
    """Made by BootstrapFewShot in code before it comes here."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.ChainOfThought("text -> answer")
        demo = dspy.Example(augmented=True, text="item 8", reasoning="it is", answer="even")
        self.ask.predict.demos = [demo]

    def forward(self, text):
        return self.ask(text=text)


class Locked(dspy.Module):
    """A lock and a database connection."""

    def __init__(self):
        super().__init__()
        self.db = sqlite3.connect(":memory:", check_same_thread=False)
        self.db.execute("create table stock (item int, left int)")
        self.db.executemany("insert into stock values (?, ?)", [(n, n * 3) for n in range(50)])
        self.lock = threading.Lock()
        self.ask = dspy.Predict("text, left: int -> answer")

    def forward(self, text):
        with self.lock:
            left = self.db.execute("select left from stock where item = ?", [int(text.split()[-1].strip("."))]).fetchone()
        return self.ask(text=text, left=left[0])


class Streaming(dspy.Module):
    """A generator that is open."""

    def __init__(self):
        super().__init__()
        self.tips = (f"tip {n}" for n in range(1000))
        self.first = next(self.tips)
        self.ask = dspy.Predict("text, tip -> answer")

    def forward(self, text):
        return self.ask(text=text, tip=self.first)


def letters(texts):
    """An embedder: how often each letter comes."""
    return numpy.array([[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], dtype="float32")


class Retrieving(dspy.Module):
    """Retrieval over passages in memory."""

    def __init__(self):
        super().__init__()
        passages = [f"part {n} is a {name}" for n, name in enumerate(["bolt", "nut", "washer", "screw", "spring"])]
        self.search = dspy.retrievers.Embeddings(passages, letters, k=2)
        self.ask = dspy.ChainOfThought("context: list[str], text -> answer")

    def forward(self, text):
        return self.ask(context=self.search(text).passages, text=text)


class Neighbours(dspy.Module):
    """Demos chosen for each row by likeness."""

    def __init__(self):
        super().__init__()
        old = [dspy.Example(text=f"item {n} of old", answer=("even", "odd")[n % 2]).with_inputs("text") for n in range(6)]
        self.near = dspy.KNN(k=2, trainset=old, vectorizer=dspy.Embedder(letters))
        self.ask = dspy.Predict("text -> answer")

    def forward(self, text):
        return self.ask(text=text, demos=self.near(text=text))


class Passages:
    """A retrieval model as dspy.Retrieve wants one."""

    def __call__(self, query, k=3, **kwargs):
        words = ("bolt", "nut", "washer", "screw")
        return [dspy.Example(long_text=f"{query} is a {word}") for word in words[:k]]


class Searching(dspy.Module):
    """dspy.Retrieve with a retrieval model configured at import."""

    def __init__(self):
        super().__init__()
        self.search = dspy.Retrieve(k=2)
        self.ask = dspy.Predict("context, text -> answer")

    def forward(self, text):
        return self.ask(context=self.search(text).passages, text=text)


dspy.configure(rm=Passages())


def metric(example, pred, trace=None):
    return pred.answer == example.answer
