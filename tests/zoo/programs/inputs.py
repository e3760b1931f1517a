"""Programs whose inputs are more than text."""

import datetime
import enum
from typing import Literal, Optional

import dspy
from pydantic import BaseModel


class Kind(enum.Enum):
    BOLT = "bolt"
    NUT = "nut"


class Part(BaseModel):
    name: str
    kind: Kind = Kind.BOLT


class Given(dspy.Module):
    """Asks about an input that is called `given`."""

    signature = "given, text -> answer"

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict(self.signature)

    def forward(self, given, text):
        return self.ask(given=given, text=text)


class OfPart(Given):
    class Ask(dspy.Signature):
        """Say whether the part's number is even or odd."""

        given: Part = dspy.InputField(desc="the part")
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    signature = Ask


class OfParts(Given):
    class Ask(dspy.Signature):
        """Say whether the number of the parts is even or odd."""

        given: list[Part] = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    signature = Ask


class OfKind(Given):
    class Ask(dspy.Signature):
        """Say whether the number is even or odd, minding the kind."""

        given: Kind = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    signature = Ask

    def forward(self, given, text):
        return self.ask(given=given, text=f"{text} ({given.name})")


class OnDay(Given):
    class Ask(dspy.Signature):
        """Say whether the number is even or odd on that day."""

        given: datetime.date = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    signature = Ask

    def forward(self, given, text):
        return self.ask(given=given, text=f"{text} In {given.year}.")


class OfImage(Given):
    class Ask(dspy.Signature):
        """Say what is in the picture."""

        given: dspy.Image = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    signature = Ask


class OfImages(Given):
    class Ask(dspy.Signature):
        """Say what is in the pictures."""

        given: list[dspy.Image] = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    signature = Ask


class OfAudio(Given):
    class Ask(dspy.Signature):
        """Say what is heard, and what the file says."""

        given: dspy.Audio = dspy.InputField()
        file: dspy.File = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    signature = Ask

    def forward(self, given, file, text):
        return self.ask(given=given, file=file, text=text)


class OfFile(Given):
    class Ask(dspy.Signature):
        """Say what is in the file."""

        given: dspy.File = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    signature = Ask


class OfCode(Given):
    class Ask(dspy.Signature):
        """Say what the code prints."""

        given: dspy.Code = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    signature = Ask


class Chat(Given):
    class Ask(dspy.Signature):
        """Answer the last question of a conversation."""

        given: dspy.History = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    signature = Ask


class Perhaps(Given):
    """An input that may be missing."""

    class Ask(dspy.Signature):
        """Say whether the number is even or odd."""

        given: Optional[str] = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()

    signature = Ask


class Defaulted(dspy.Module):
    """A parameter with a default that the data has no column for."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text, tone -> answer")

    def forward(self, text, tone="neutral"):
        return self.ask(text=text, tone=tone)


class SignatureDefault(dspy.Module):
    """A default in the signature."""

    class Ask(dspy.Signature):
        """Answer in a tone."""

        text: str = dspy.InputField()
        tone: str = dspy.InputField(default="polite")
        answer: str = dspy.OutputField()

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict(self.Ask)

    def forward(self, **kwargs):
        return self.ask(**kwargs)


class Numbers(dspy.Module):
    """Numbers and truth values as inputs."""

    class Ask(dspy.Signature):
        """Is the sum even or odd?"""

        text: str = dspy.InputField()
        first: int = dspy.InputField()
        second: float = dspy.InputField()
        strict: bool = dspy.InputField()
        answer: str = dspy.OutputField()

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict(self.Ask)

    def forward(self, text, first, second, strict):
        return self.ask(text=text, first=first + 1, second=second / 2, strict=not strict)


class OddlyNamed(dspy.Module):
    """Columns that DSPy or Python uses for itself."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("base, text -> answer")

    def forward(self, base, text):
        return self.ask(base=base, text=text)


class Keywords(dspy.Module):
    """Takes whatever it is given."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text, place -> answer")

    def forward(self, **kwargs):
        return self.ask(**kwargs)


class Money(dspy.Type):
    """A type of one's own, which says how it is shown."""

    amount: float
    currency: str = "EUR"

    def format(self):
        return [{"type": "text", "text": f"{self.amount:.2f} {self.currency}"}]


class Priced(dspy.Module):
    """Records without a model, literal numbers, an output with a default."""

    class Ask(dspy.Signature):
        """Even or odd?"""

        price: Money = dspy.InputField()
        parts: list[dict[str, int]] = dspy.InputField()
        text: str = dspy.InputField()
        answer: str = dspy.OutputField()
        size: Literal[1, 2, 3] = dspy.OutputField()
        note: Optional[str] = dspy.OutputField(default=None)

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict(self.Ask)

    def forward(self, price, parts, text):
        return self.ask(price=price, parts=parts, text=text)


def metric(example, pred, trace=None):
    return pred.answer == example.answer


class Listing(Given):
    """A list for forward(), which its predictor takes as text."""

    def forward(self, given: list[str], text):
        return self.ask(given=given, text=text)
