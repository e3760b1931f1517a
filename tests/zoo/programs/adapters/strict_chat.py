"""The adapter is set where the program is imported: ChatAdapter with an option of its own."""

import dspy
from answers import Program, metric

__all__ = ["Program", "metric"]

dspy.configure(adapter=dspy.ChatAdapter(use_json_adapter_fallback=False))
