"""The score table: candidate x example x rollout -> a score, or an error with its class.

Minibatches and full evaluations are two ways to ask for cells. Every mean, interval, rank and comparison of the
studio is a function of this table.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mipro_studio.optimizer_core.evaluation.objective import Measure, score_of
from mipro_studio.optimizer_core.types import Cell, CellKey, Split

__all__ = ["Mean", "ScoreTable"]


@dataclass(frozen=True, slots=True)
class Mean:
    """Mean over the `n` cells that count for something; `n_error` cells do not, which is not 0."""

    mean: float | None
    n: int
    n_error: int

    @property
    def complete(self) -> bool:
        return self.n_error == 0 and self.n > 0


class ScoreTable:
    """Cells by key, in the order they came in. Not thread-safe: it belongs to the run's event loop.

    What is computed of cells is of their scores, unless `of` says what else a cell counts for (see
    `evaluation.objective`).
    """

    def __init__(self, cells: Iterable[Cell] = ()) -> None:
        self._cells: dict[CellKey, Cell] = {}
        self._rows: dict[tuple[str, Split], dict[str, Cell]] = defaultdict(dict)
        for cell in cells:
            self.put(cell)

    def __len__(self) -> int:
        return len(self._cells)

    def put(self, cell: Cell) -> None:
        """Add `cell`. An error may be replaced by a later try; a score is never replaced."""
        old = self._cells.get(cell.key)
        if old is not None and old.score is not None:
            return
        self._cells[cell.key] = cell
        if cell.key.rollout == 0:
            self._rows[cell.key.candidate, cell.key.split][cell.key.example] = cell

    def get(self, key: CellKey) -> Cell | None:
        return self._cells.get(key)

    def cells(self) -> Iterable[Cell]:
        return self._cells.values()

    def row(self, candidate: str, split: Split) -> Mapping[str, Cell]:
        """Cells of one candidate by example id."""
        return self._rows.get((candidate, split), {})

    def candidates(self, split: Split) -> list[str]:
        """Candidates with at least one cell on `split`, in the order first evaluated."""
        return [candidate for candidate, of_split in self._rows if of_split is split]

    def scores(self, split: Split, of: Measure = score_of) -> dict[str, dict[str, float]]:
        """Scores by candidate and example, sorted by their ids; what has no score is left out.

        Sorted, so that what is computed from them is the same to the last bit whatever came in first.
        """
        found = {
            name: {
                example: value
                for example, cell in sorted(self.row(name, split).items())
                if (value := of(cell)) is not None
            }
            for name in sorted(self.candidates(split))
        }
        return {name: scores for name, scores in found.items() if scores}

    def mean(
        self, candidate: str, split: Split, examples: Sequence[str] | None = None, of: Measure = score_of
    ) -> Mean:
        """Mean over those cells of a candidate that have a value, with how many have one and how many have none.

        Args:
            examples: Ids of the rows to take; those without a cell are passed over. None = all that were evaluated.
            of: What of a cell is averaged: by default the metric's score, higher is better.
        """
        row = self.row(candidate, split)
        asked = row.values() if examples is None else [row[name] for name in examples if name in row]
        scores = [value for cell in asked if (value := of(cell)) is not None]
        n_error = len(asked) - len(scores)
        # fsum: the same whatever the order, so that of two equal means neither is larger by a rounding error.
        return Mean(math.fsum(scores) / len(scores) if scores else None, len(scores), n_error)

    def paired(self, first: str, second: str, split: Split, of: Measure = score_of) -> list[tuple[str, float, float]]:
        """(example, value of `first`, value of `second`) where both have one, sorted by example.

        Args:
            of: What of a cell is compared: by default the metric's score, higher is better.
        """
        a, b = self.row(first, split), self.row(second, split)
        both = []
        for name in sorted(a.keys() & b.keys()):
            one, other = of(a[name]), of(b[name])
            if one is not None and other is not None:
                both.append((name, one, other))
        return both
