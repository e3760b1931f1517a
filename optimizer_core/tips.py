"""The tips that a proposal may be given."""

from typing import Literal

__all__ = ["TIPS", "Tip"]

# Section C.2 of the MIPRO paper (arXiv 2406.11695), in DSPy 3.4's wording.
TIPS: dict[str, str] = {
    "none": "",
    "creative": "Don't be afraid to be creative when creating the new instruction!",
    "simple": "Keep the instruction clear and concise.",
    "description": "Make sure your instruction is very informative and descriptive.",
    "high_stakes": ("The instruction should include a high stakes scenario in which the LM must solve the task!"),
    "persona": 'Include a persona that is relevant to the task in the instruction (ie. "You are a ...")',
}

Tip = Literal["none", "creative", "simple", "description", "high_stakes", "persona"]
