"""The steps of BetterTogether as they are written: `p -> w -> p`, or with the paper's letters."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["PROMPTS", "WEIGHTS", "Step", "label", "parse_strategy"]

PROMPTS, WEIGHTS = "p", "w"
_LETTERS = {"p": PROMPTS, "π": PROMPTS, "w": WEIGHTS, "θ": WEIGHTS}
_PAPER = {PROMPTS: "Π", WEIGHTS: "Θ"}
MOST_STEPS = 9


@dataclass(frozen=True)
class Step:
    """One step: its `kind`, its `place` in the strategy, and the how manieth of its kind it is, both from 1."""

    kind: str
    place: int
    nth: int


def parse_strategy(text: str) -> tuple[Step, ...]:
    """The steps in order.

    Raises:
        BadInput: there is none, or one of another kind than p and w.
    """
    kinds = []
    for part in re.split(r"->|→", text):
        kind = _LETTERS.get(part.strip().casefold())
        if kind is None:
            raise BadInput(
                f"The strategy {text!r} has a step {part.strip()!r}.",
                'Use p for prompts and w for weights, with arrows between them, as in "p -> w -> p".',
            )
        kinds.append(kind)
    if len(kinds) > MOST_STEPS:
        raise BadInput(f"The strategy {text!r} has {len(kinds)} steps; {MOST_STEPS} are the most.")
    return tuple(Step(kind, place, kinds[:place].count(kind)) for place, kind in enumerate(kinds, start=1))


def label(steps: Sequence[Step]) -> str:
    """As the paper writes it: `Π→Θ`; the program as it came is `vanilla`."""
    return "→".join(_PAPER[step.kind] for step in steps) or "vanilla"
