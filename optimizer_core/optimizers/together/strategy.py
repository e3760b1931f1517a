"""The steps of BetterTogether as they are written: `p -> w -> p`, or with the paper's letters; several by comma."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["ALL", "PROMPTS", "WEIGHTS", "Step", "label", "parse_strategies", "steps_of"]

PROMPTS, WEIGHTS = "p", "w"
_LETTERS = {"p": PROMPTS, "π": PROMPTS, "w": WEIGHTS, "θ": WEIGHTS}
_PAPER = {PROMPTS: "Π", WEIGHTS: "Θ"}
MOST_STEPS, MOST_STRATEGIES = 9, 20
"""Of one strategy; of one run."""

ALL = "all"
"""The paper's eight: every prefix of a strategy is one too, so these four hold them."""
_EIGHT = ("pwp", "wp", "pp", "ww")


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        path: The kinds of the steps from the first to this one, a letter each.
        nth: It is the how manieth of its kind on this way, from 1.
        number: It is the how manieth of its kind in the whole run, from 1: so its weights are called, and its demo
            sets are counted.
    """

    path: str
    nth: int
    number: int

    @property
    def kind(self) -> str:
        return self.path[-1]

    @property
    def before(self) -> str:
        """The path of the step that it goes on from; empty for the program as it came."""
        return self.path[:-1]


def parse_strategies(text: str) -> tuple[str, ...]:
    """The strategies in order, each as a `Step.path`.

    Raises:
        BadInput: there is none, or one has a step of another kind than p and w.
    """
    if text.strip().casefold() == ALL:
        return _EIGHT
    paths = tuple(dict.fromkeys(map(_path, text.split(","))))
    if len(paths) > MOST_STRATEGIES:
        raise BadInput(f"{len(paths)} strategies in one run are too many; {MOST_STRATEGIES} are the most.")
    return paths


def _path(text: str) -> str:
    kinds = []
    for part in re.split(r"->|→", text):
        kind = _LETTERS.get(part.strip().casefold())
        if kind is None:
            raise BadInput(
                f"The strategy {text.strip()!r} has a step {part.strip()!r}.",
                'Use p for prompts and w for weights, with arrows between them, as in "p -> w -> p", commas between '
                f"strategies, or {ALL} for the paper's eight.",
            )
        kinds.append(kind)
    if len(kinds) > MOST_STEPS:
        raise BadInput(f"The strategy {text.strip()!r} has {len(kinds)} steps; {MOST_STEPS} are the most.")
    return "".join(kinds)


def steps_of(paths: Sequence[str]) -> tuple[Step, ...]:
    """The steps of all strategies in order; what two of them begin with is done once."""
    ways = list(dict.fromkeys(path[:end] for path in paths for end in range(1, len(path) + 1)))
    counts = dict.fromkeys((PROMPTS, WEIGHTS), 0)
    steps = []
    for way in ways:
        counts[way[-1]] += 1
        steps.append(Step(way, way.count(way[-1]), counts[way[-1]]))
    return tuple(steps)


def label(path: str) -> str:
    """As the paper writes it: `Π→Θ`; the program as it came is `vanilla`."""
    return "→".join(_PAPER[kind] for kind in path) or "vanilla"
