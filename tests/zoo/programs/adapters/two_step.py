"""The adapter is set where the program is imported: two steps: one model talks, another extracts."""

import dspy
from answers import Program, metric

__all__ = ["Program", "metric"]

dspy.configure(adapter=dspy.TwoStepAdapter(dspy.LM("openai/extractor", api_key="x")))
