"""Two candidates example by example: what got better, what got worse, what was never asked of both."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mipro_studio.optimizer_core.types import ExampleScore

__all__ = ["Change", "ComparedExample", "change_counts", "compare", "scored_pairs"]


class Change(StrEnum):
    """What became of one example's score from the first candidate to the second; higher is better."""

    IMPROVED = "improved"
    REGRESSED = "regressed"
    SAME = "same"
    NOT_EVALUATED = "not_evaluated"


@dataclass(frozen=True, slots=True)
class ComparedExample:
    """`before` and `after` are None where the candidate was never asked that example."""

    example: str
    before: ExampleScore | None
    after: ExampleScore | None

    @property
    def difference(self) -> float | None:
        """Second score minus first; None unless both have one."""
        if self.before is None or self.after is None or self.before.score is None or self.after.score is None:
            return None
        return self.after.score - self.before.score

    @property
    def change(self) -> Change:
        moved = self.difference
        if moved is None:
            return Change.NOT_EVALUATED
        return Change.IMPROVED if moved > 0 else Change.REGRESSED if moved < 0 else Change.SAME


def compare(
    before: Mapping[str, ExampleScore], after: Mapping[str, ExampleScore], order: Iterable[str] = ()
) -> list[ComparedExample]:
    """Every example of either side, the largest change first; equals stand in `order`, unknown ones last.

    Examples that one side was not asked or failed on come at the end: they are no change of size 0.
    """
    place = {example: i for i, example in enumerate(order)}
    names = dict.fromkeys([*before, *after])
    rows = [ComparedExample(name, before.get(name), after.get(name)) for name in names]

    def key(row: ComparedExample) -> tuple[bool, float, int]:
        moved = row.difference
        return moved is None, -abs(moved or 0.0), place.get(row.example, len(place))

    return sorted(rows, key=key)


def change_counts(rows: Sequence[ComparedExample]) -> dict[Change, int]:
    """How many examples changed in which way; every kind is there, also with 0."""
    counts = dict.fromkeys(Change, 0)
    for row in rows:
        counts[row.change] += 1
    return counts


def scored_pairs(rows: Iterable[ComparedExample]) -> tuple[tuple[float, float], ...]:
    """(first score, second score) of the examples that both were scored on, sorted by example.

    The order is fixed because the test's random sign flips are dealt out in it.
    """
    found = [
        (row.example, row.before.score, row.after.score)
        for row in rows
        if row.before is not None
        and row.after is not None
        and row.before.score is not None
        and row.after.score is not None
    ]
    return tuple((first, second) for _, first, second in sorted(found))
