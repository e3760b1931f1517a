"""The desk's program with 50 ms of a processor's time of its own a row, in Python, as parsing or ranking takes it."""

import time

import dspy

from tests.programs.desk import Desk, metric

__all__ = ["metric", "program"]

OWN_S = 0.05


class Busy(Desk):
    def forward(self, message: str) -> dspy.Prediction:
        begun_s, words = time.thread_time(), 0
        while time.thread_time() - begun_s < OWN_S:
            words += sum(map(len, message.split()))
        return super().forward(message)


program = Busy
