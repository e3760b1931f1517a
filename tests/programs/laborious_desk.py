"""The desk with work of its own beside its calls, and with rows that it cannot do."""

import hashlib

import dspy

from tests.programs.desk import Desk


class LaboriousDesk(Desk):
    def forward(self, message: str) -> dspy.Prediction:
        digest = message.encode()
        for _ in range(2_000):
            digest = hashlib.sha256(digest).digest()
        if hashlib.sha256(message.encode()).digest()[0] % 8 == 0:
            raise ValueError("this desk is closed")
        return super().forward(message=message)


program = LaboriousDesk
