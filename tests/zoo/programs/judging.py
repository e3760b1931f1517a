"""Metrics of all kinds, for one small program."""

import dspy
import numpy
from dspy.evaluate import SemanticF1, answer_exact_match


class Guess(dspy.Module):
    def __init__(self):
        super().__init__()
        self.guess = dspy.ChainOfThought("text -> answer")

    def forward(self, text):
        return self.guess(text=text)


def of_two(example, pred):
    return float(pred.answer == example.answer)


def of_three(example, pred, trace=None):
    """Strict when it decides about demos, lenient in evaluation."""
    if trace is not None:
        return pred.answer == example.answer and len(trace) == 1
    return 0.5 + (pred.answer == example.answer) / 2


def of_five(gold, pred, trace=None, pred_name=None, pred_trace=None):
    right = gold.answer == pred.answer
    return dspy.Prediction(score=float(right), feedback="" if right else f"It is {gold.answer}.")


def an_int(example, pred, trace=None):
    return int(pred.answer == example.answer)


def of_numpy(example, pred, trace=None):
    return numpy.float32(pred.answer == example.answer)


def numpy_bool(example, pred, trace=None):
    return numpy.array([pred.answer == example.answer]).all()


def fraction(example, pred, trace=None):
    return 0.25 + 0.75 * (pred.answer == example.answer)


class Judge(dspy.Signature):
    """Is the answer right?"""

    text: str = dspy.InputField()
    answer: str = dspy.InputField()
    right: bool = dspy.OutputField()


judge = dspy.ChainOfThought(Judge)


def by_model(example, pred, trace=None):
    return judge(text=example.text, answer=pred.answer).right


strong = dspy.LM("openai/judge", api_key="x")


def by_own_model(example, pred, trace=None):
    with dspy.context(lm=strong):
        return judge(text=example.text, answer=pred.answer).right


class Scale:
    """A metric with a state of its own."""

    def __init__(self, weight):
        self.weight = weight

    def __call__(self, example, pred, trace=None):
        return self.weight * (pred.answer == example.answer)


scaled = Scale(1.0)

exact = answer_exact_match

semantic = SemanticF1()

guess_response = dspy.Predict("question -> response")


def with_keywords(example, prediction, trace=None, **more):
    return example.answer == prediction.answer


def of_reasoning(example, pred, trace=None):
    return pred.answer == example.answer and pred.get("reasoning") is not None and "item" in pred["reasoning"]


def by_labels(example, pred, trace=None):
    """Looks at all of an example: labels, inputs, metadata."""
    assert set(example.inputs().keys()) == {"text"}, example.inputs()
    return float(example.labels().answer == pred.answer) * example.weight


def by_history(example, pred, trace=None):
    """How long the last prompt was."""
    return float(pred.answer == example.answer and dspy.settings.lm.history[-1]["usage"]["prompt_tokens"] > 10)


def by_completions(example, pred, trace=None):
    return pred.completions.answer[0] == example.answer and len(pred.completions) == 1


class Panel(dspy.Module):
    """A metric that is a program with two models of judges."""

    def __init__(self):
        super().__init__()
        self.judges = [dspy.Predict(Judge), dspy.ChainOfThought(Judge)]

    def forward(self, example, pred, trace=None):
        return sum(judge(text=example.text, answer=pred.answer).right for judge in self.judges) / 2


panel = Panel()
