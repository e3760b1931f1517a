"""The adapter is set where the program is imported: JSON."""

import dspy
from answers import Program, metric

__all__ = ["Program", "metric"]

dspy.configure(adapter=dspy.JSONAdapter())
