import dspy

from ..words import TASK


class Noting(dspy.Module):
    def __init__(self):
        super().__init__()
        self.note = dspy.Predict(dspy.Signature("text -> notes", TASK))

    def forward(self, text):
        return self.note(text=text).notes
