"""Who a model works for, and what was spent on it."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Role", "Spent", "Usage"]


class Role(StrEnum):
    """Who a model works for, in the order in which people read them.

    `TEST` and `JUDGE_TEST` are task model and judge on the sealed test, counted apart.

    Attributes:
        label: What people call it.
        place: Where its model stands in a config; empty for those that have none of their own.
        does: What its model does, in a sentence for a form.
    """

    TASK = "task", "Task model", "task_model", "Runs the program on every example."
    PROMPT = "prompt", "Prompt model", "prompt_model", "Writes instructions. A stronger one helps."
    TEACHER = "teacher", "Teacher", "teacher", "Bootstraps the demos."
    JUDGE = "judge", "Judge", "judge.model", "Decides about each criterion. A stronger model helps."
    TEST = "test", "Sealed test"
    JUDGE_TEST = "judge_test", "Judge of the test"

    label: str
    place: tuple[str, ...]
    does: str

    def __new__(cls, name: str, label: str = "", place: str = "", does: str = "") -> "Role":
        role = str.__new__(cls, name)
        role._value_ = name
        role.label, role.place, role.does = label, tuple(filter(None, place.split("."))), does
        return role

    @property
    def sealed(self) -> bool:
        """It works on the sealed test, under no cap."""
        return self in (Role.TEST, Role.JUDGE_TEST)


@dataclass(frozen=True, slots=True)
class Usage:
    """What was spent. `cost_usd` is None when the price is not known, which is not the same as free.

    `estimated_tokens` are those among input and output that nobody reported: counted by a tokenizer of ours.
    """

    calls: int = 0
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    lm_s: float = 0.0
    estimated_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        known = self.cost_usd is not None and other.cost_usd is not None
        return Usage(
            self.calls + other.calls,
            self.retries + other.retries,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            (self.cost_usd or 0.0) + (other.cost_usd or 0.0) if known else None,
            self.lm_s + other.lm_s,
            self.estimated_tokens + other.estimated_tokens,
        )


@dataclass(frozen=True, slots=True)
class Spent:
    """Total spent by one role up to now, lost work of earlier lives included."""

    role: Role
    usage: Usage
