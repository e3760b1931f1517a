"""The desk's program with work of its own in every row, in Python, as parsing or ranking takes it.

The environment variable OWN_MS says how many milliseconds of a processor: 50 if it does not.
"""

import os
import time

import dspy

from tests.programs.desk import Desk, metric

__all__ = ["metric", "program"]

OWN_S = float(os.environ.get("OWN_MS", "50")) / 1000


class Busy(Desk):
    def forward(self, message: str) -> dspy.Prediction:
        begun_s, words = time.thread_time(), 0
        while time.thread_time() - begun_s < OWN_S:
            words += sum(map(len, message.split()))
        return super().forward(message)


program = Busy
