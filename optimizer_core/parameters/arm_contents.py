"""What the arms of a candidate put into a program, as data that any process can be given."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mipro_studio.optimizer_core.parameters.weights import WEIGHTS
from mipro_studio.optimizer_core.types import PROGRAM, Arm, Json

__all__ = ["ArmContents"]


@dataclass(frozen=True)
class ArmContents:
    """The contents of arms, by kind and owner; what is not named stays as it is in the seed program.

    Attributes:
        by_kind: kind -> owner -> content.
        text: All of it as JSON: equal contents have equal texts.
    """

    by_kind: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)

    @classmethod
    def of(cls, arms: Iterable[Arm]) -> "ArmContents":
        by_kind: dict[str, dict[str, Json]] = {}
        for arm in arms:
            by_kind.setdefault(arm.kind, {})[arm.owner] = arm.content
        return cls(by_kind)

    @property
    def weights(self) -> str | None:
        """`tuned` of the program as a whole; None for the model as it is."""
        return self.tuned.get(PROGRAM)

    @cached_property
    def tuned(self) -> Mapping[str, str]:
        """Owner -> what serves its tuned weights of the task model: the file of an adapter, or a provider's model id.

        Those that the model came with are not in it."""
        owners = self.by_kind.get(WEIGHTS, {})
        return {owner: str(content["tuned"]) for owner, content in owners.items() if content["tuned"] is not None}

    @cached_property
    def text(self) -> str:
        return json.dumps(self.by_kind, default=dict)

    @classmethod
    def parse(cls, text: str) -> "ArmContents":
        """The inverse of `text`."""
        return cls(json.loads(text))
