"""A program in a package, with relative and absolute imports."""

import dspy
from desk.words import TASK

from .steps import Noting


class Desk(dspy.Module):
    def __init__(self):
        super().__init__()
        self.noting = Noting()
        self.answer = dspy.Predict(dspy.Signature("text, notes, task -> answer"))

    def forward(self, text):
        return self.answer(text=text, notes=self.noting(text=text), task=TASK)


def metric(example, pred, trace=None):
    return pred.answer == example.answer
