"""Programs that watch themselves: usage, callbacks, prints, state."""

import logging
import sys

import dspy
from dspy.utils.callback import BaseCallback

dspy.configure(track_usage=True)

log = logging.getLogger(__name__)


class Counter(BaseCallback):
    """Counts the calls and remembers the last one."""

    def __init__(self):
        self.calls = 0

    def on_lm_start(self, call_id, instance, inputs):
        self.calls += 1


class Metered(dspy.Module):
    """Its metric reads the usage that DSPy notes on predictions."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text -> answer")

    def forward(self, text):
        return self.ask(text=text)


def by_usage(example, pred, trace=None):
    used = pred.get_lm_usage() or {}
    return float(pred.answer == example.answer and sum(one["completion_tokens"] for one in used.values()) > 10)


class Tracking(dspy.Module):
    """Looks at the tokens that its first step took."""

    def __init__(self):
        super().__init__()
        self.notes = dspy.Predict("text -> notes")
        self.ask = dspy.Predict("text, notes -> answer")

    def forward(self, text):
        with dspy.track_usage() as usage:
            notes = self.notes(text=text)
        tokens = sum(one["total_tokens"] for one in usage.get_total_tokens().values())
        return self.ask(text=text, notes=f"{notes.notes} ({tokens > 0})")


counter = Counter()


class Called(dspy.Module):
    """A callback of its own on a predictor."""

    def __init__(self):
        super().__init__()
        self.seen = Counter()
        self.ask = dspy.Predict("text -> answer", callbacks=[counter])

    def forward(self, text):
        with dspy.context(callbacks=[self.seen]):
            answer = self.ask(text=text).answer
        assert self.seen.calls, "the callback was not called"
        return dspy.Prediction(answer=answer)


class Talking(dspy.Module):
    """Prints and logs, on both streams."""

    def __init__(self):
        super().__init__()
        self.ask = dspy.Predict("text -> answer")
        print("made a program")

    def forward(self, text):
        print(f"asking about {text}")
        print("{}", file=sys.stderr)
        log.warning("about to ask")
        return self.ask(text=text)


class Tracing(dspy.Module):
    """Reads DSPy's trace in forward."""

    def __init__(self):
        super().__init__()
        self.notes = dspy.Predict("text -> notes")
        self.ask = dspy.Predict("text, notes -> answer")

    def forward(self, text):
        with dspy.context(trace=[]):
            self.notes(text=text)
            steps = len(dspy.settings.trace)
        return self.ask(text=text, notes=f"{steps} step before")


def metric(example, pred, trace=None):
    return pred.answer == example.answer
