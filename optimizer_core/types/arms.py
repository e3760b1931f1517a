"""Arms: what a candidate may be made of, kind by kind and owner by owner."""

from dataclasses import dataclass, field
from enum import StrEnum

from mipro_studio.optimizer_core.types.values import Json

__all__ = ["DEMOS", "INSTRUCTION", "PROGRAM", "SEED_ARM", "Arm", "Author", "Demo"]

SEED_ARM = 0
"""Index of what the program came with: the baseline has arm 0 of every kind."""

PROGRAM = ""
"""Owner of the arms that belong to the program as a whole and not to one of its predictors."""

INSTRUCTION = "instruction"
DEMOS = "demos"


class Author(StrEnum):
    SEED = "seed"
    MODEL = "model"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Demo:
    """A few-shot example of one predictor. `augmented`: the outputs are a teacher's, not the labels."""

    fields: Json
    augmented: bool
    example_id: str


@dataclass(frozen=True, slots=True)
class Arm:
    """One value that a candidate may have for one kind of parameter of one owner.

    `owner` is a predictor's name, or `PROGRAM`. `kind` names a `ParameterKind` (`optimizer_core.parameters.kinds`),
    which says what the JSON of `content` means. `index` numbers the arms of (owner, kind); 0 is the seed's.

    `provenance` records how it came about: for a proposed one what the proposer was shown (switch by switch:
    requested, used, why not), the tip, temperature, raw request and reply, tokens. `active` is false for an arm that
    was rejected or repeats another, which stays in the record with `reason`.
    """

    owner: str
    kind: str
    index: int
    content: Json
    author: Author
    provenance: Json = field(default_factory=dict)
    active: bool = True
    reason: str = ""

    @property
    def text(self) -> str:
        """Of an arm whose content is one text: the text."""
        return str(self.content["text"])

    @property
    def demos(self) -> tuple[Demo, ...]:
        """Of an arm that holds demos: the demos, in the order in which the program shows them."""
        return tuple(Demo(*demo) for demo in self.content["demos"])
