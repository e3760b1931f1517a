"""An adapter of one's own."""

import dspy
from answers import Program, metric

__all__ = ["Program", "metric"]


class Polite(dspy.ChatAdapter):
    def format_task_description(self, signature):
        return super().format_task_description(signature) + "\n\nPlease."


dspy.settings.configure(adapter=Polite())
