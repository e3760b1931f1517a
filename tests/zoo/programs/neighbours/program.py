"""Its neighbours have the names that the studio's own modules have."""

import dspy
import launcher
import storage
import tests
import ui
import worker

NAMES = [module.NAME for module in (launcher, storage, tests, ui, worker)]


class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text, names: list[str] -> answer")

    def forward(self, text):
        return self.ask(text=text, names=NAMES)


def metric(example, pred, trace=None):
    return pred.answer == example.answer
