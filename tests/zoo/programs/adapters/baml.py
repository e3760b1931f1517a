"""The adapter is set where the program is imported: BAML's."""

import dspy
from answers import Program, metric
from dspy.adapters.baml_adapter import BAMLAdapter

__all__ = ["Program", "metric"]

dspy.configure(adapter=BAMLAdapter())
