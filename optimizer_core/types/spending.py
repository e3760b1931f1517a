"""Who a model works for, and what was spent on it."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Role", "Spent", "Usage"]


class Role(StrEnum):
    """Who a model works for. `TEST` and `JUDGE_TEST` are task model and judge on the sealed test, counted apart."""

    TASK = "task"
    PROMPT = "prompt"
    TEACHER = "teacher"
    JUDGE = "judge"
    TEST = "test"
    JUDGE_TEST = "judge_test"

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
