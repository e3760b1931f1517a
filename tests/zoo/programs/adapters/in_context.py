"""The adapter is changed for one step, in forward."""

import dspy
from answers import Ask, metric

__all__ = ["Program", "metric"]


class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.notes = dspy.Predict("text -> notes: list[str]")
        self.ask = dspy.Predict(Ask)

    def forward(self, text):
        notes = self.notes(text=text).notes
        with dspy.context(adapter=dspy.JSONAdapter()):
            return dspy.Prediction(answer=self.ask(text=f"{text} {notes[0]}").verdict.word)
