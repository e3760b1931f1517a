"""Reads files beside it: one by its own place, one by the folder it is started in."""

import json
from pathlib import Path

import dspy
from helper import shorten

TASK = json.loads((Path(__file__).parent / "prompts.json").read_text())["task"]
AGAIN = json.loads(Path("prompts.json").read_text())["task"]


class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict(dspy.Signature("text -> answer", TASK))

    def forward(self, text):
        from helper import shorten as again  # late, as heavy imports are

        assert again is shorten and AGAIN == TASK
        return self.ask(text=shorten(text))


def metric(example, pred, trace=None):
    return pred.answer == example.answer
