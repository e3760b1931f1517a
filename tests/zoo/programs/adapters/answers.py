"""What the programs of this folder share."""

import dspy
from pydantic import BaseModel


class Verdict(BaseModel):
    word: str
    sure: bool = True


class Ask(dspy.Signature):
    """Say whether the number is even or odd."""

    text: str = dspy.InputField()
    verdict: Verdict = dspy.OutputField()


class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.notes = dspy.Predict("text -> notes: list[str]")
        self.ask = dspy.ChainOfThought(Ask)

    def forward(self, text):
        notes = self.notes(text=text).notes
        verdict = self.ask(text=f"{text} {len(notes)} notes.").verdict
        return dspy.Prediction(answer=verdict.word, verdict=verdict)


def metric(example, pred, trace=None):
    return pred.answer == example.answer
