"""Several runs of one candidate on one row: which of them stands for the row."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

from mipro_studio.optimizer_core.types import CellKey

__all__ = ["best_attempts"]


class Attempt(Protocol):
    @property
    def key(self) -> CellKey: ...

    @property
    def score(self) -> float | None: ...


A = TypeVar("A", bound=Attempt)


def best_attempts(cells: Iterable[A]) -> list[A]:
    """Of every row the attempt with the highest score, the earliest of equals; in the order that rows first come."""
    best: dict[str, A] = {}
    for cell in cells:
        before = best.setdefault(cell.key.example, cell)
        if _rank(cell) > _rank(before):
            best[cell.key.example] = cell
    return list(best.values())


def _rank(cell: Attempt) -> tuple[float, int]:
    return (float("-inf") if cell.score is None else cell.score, -cell.key.rollout)
