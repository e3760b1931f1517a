"""A program that does what its message says; some of it takes the whole process with it."""

import ctypes
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dspy


class Misbehaving(dspy.Module):
    def __init__(self) -> None:
        super().__init__()
        self.answer = dspy.Predict("message -> queue, tone")

    def forward(self, message: str) -> dspy.Prediction:
        what, _, rest = message.partition(" ")
        match what:
            case "exit":
                os._exit(7)
            case "segfault":
                ctypes.string_at(0)
            case "raise":
                raise ValueError(rest)
            case "sleep":
                time.sleep(float(rest))
            case "begin":  # says so, and then takes long
                Path(rest).touch()
                time.sleep(100)
            case "stuck":  # in C code that holds Python's lock
                re.match(r"(a+)+b", "a" * 40)
            case "hoard":
                bytearray(int(rest) << 20)
            case "hoarding":  # in a child
                subprocess.run([sys.executable, "-c", f"bytearray({rest} << 20)"], check=True, capture_output=True)
            case "ask":
                return self.answer(message=message)
        return dspy.Prediction(queue=what, tone="calm")


program = Misbehaving


def metric(example: Any, prediction: Any, trace: Any = None) -> float:
    """What it is given is in the score: 1, and 2 more where it is told the trace, 4 where the metric has a model."""
    if prediction.queue == "unscored":
        raise KeyError("no score")
    return 1.0 + 2.0 * (trace is not None) + 4.0 * (dspy.settings.lm is not None)
