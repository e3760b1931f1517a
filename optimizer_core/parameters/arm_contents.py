"""What the arms of a candidate put into a program, as data that any process can be given."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

from mipro_studio.optimizer_core.types import Demo

__all__ = ["ArmContents"]


@dataclass(frozen=True)
class ArmContents:
    """Instructions and demos by predictor; what is not named stays as it is in the seed program.

    Attributes:
        weights: What serves tuned weights of the task model: the file of an adapter, or a provider's model id. None
            for the model as it is.
        text: All of it as JSON: equal contents have equal texts.
    """

    instructions: Mapping[str, str] = field(default_factory=dict)
    demos: Mapping[str, Sequence[Demo]] = field(default_factory=dict)
    weights: str | None = None

    @cached_property
    def text(self) -> str:
        demos = {name: [asdict(demo) for demo in of_name] for name, of_name in self.demos.items()}
        return json.dumps({"instructions": dict(self.instructions), "demos": demos, "weights": self.weights})

    @classmethod
    def parse(cls, text: str) -> "ArmContents":
        """The inverse of `text`."""
        data: dict[str, Any] = json.loads(text)
        demos = {name: tuple(Demo(**demo) for demo in of_name) for name, of_name in data["demos"].items()}
        return cls(data["instructions"], demos, data["weights"])
