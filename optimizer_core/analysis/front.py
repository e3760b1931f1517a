"""The Pareto front of evaluated candidates: quality against what a program run takes.

A candidate is on the front when no other one is at least as good in both and better in one. A person who has not
decided what quality may cost chooses among these.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mipro_studio.optimizer_core.evaluation.objective import Objective, measured, over_limits
from mipro_studio.optimizer_core.objective_spec import QUANTITIES
from mipro_studio.optimizer_core.types import Cell

__all__ = ["FrontPoint", "front", "front_points"]


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A candidate that was evaluated on every example.

    Attributes:
        score: Mean of the metric's score over the `n` cells that have one.
        objective: Mean of what the search maximized; the score where that is the same; None where it is not known.
        takes: Quantity of `objective_spec.QUANTITIES` -> mean over the same cells; None where one is not known.
        keeps_limits: Whether it may win under the objective's limits (`objective.over_limits`).
    """

    candidate: str
    score: float
    n: int
    objective: float | None
    takes: Mapping[str, float | None]
    keeps_limits: bool = True


def front_points(rows: Mapping[str, Sequence[Cell]], objective: Objective) -> list[FrontPoint]:
    """One point for every candidate of `rows` (candidate -> its cells) that has a score at all, in that order."""
    scored = {name: [cell for cell in cells if cell.score is not None] for name, cells in rows.items()}
    scored = {name: cells for name, cells in scored.items() if cells}
    over = {name: {cell.key.example: objective.over(cell) for cell in cells} for name, cells in scored.items()}
    out = over_limits(over)
    return [
        FrontPoint(
            name,
            _mean([cell.score for cell in cells]) or 0.0,
            len(cells),
            _mean(map(objective, cells)),
            {quantity: _mean([measured(cell, quantity) for cell in cells]) for quantity in QUANTITIES},
            name not in out,
        )
        for name, cells in scored.items()
    ]


def _mean(values: Iterable[float | None]) -> float | None:
    found = [*values]
    known = [value for value in found if value is not None]
    return sum(known) / len(known) if known and len(known) == len(found) else None


def front(points: Iterable[FrontPoint], quantity: str) -> list[FrontPoint]:
    """The points on the front of score (higher is better) and `quantity` (lower is better), the cheapest first.

    Of points that are equal in both the first stands for all; where `quantity` is not known there is none.
    """
    known = [(took, point) for point in points if (took := point.takes[quantity]) is not None]
    found: list[FrontPoint] = []
    for _, point in sorted(known, key=lambda pair: (pair[0], -pair[1].score)):
        if not found or point.score > found[-1].score:
            found.append(point)
    return found
