"""A program that configures a scripted model of its own: it is right with two demos and says `odd` without."""

from typing import Any

import dspy

from tests.python_call.scripted_lm import sorter

program = dspy.Predict("number: int -> parity")
dspy.configure(lm=sorter())


def metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> bool:
    return bool(example.parity == prediction.parity)


def ranked(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> float:
    return 10.0 if metric(example, prediction) else -10.0


def picky(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> bool:
    if prediction.parity == "even":
        raise ValueError("no even numbers here ``` | @everyone </details>")
    return True
