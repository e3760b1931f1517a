"""The objective: what a search maximizes, as a function of one cell of the score table.

By default it is the metric's score. A price takes off what a program run took of a quantity. The score of a program
run over a limit counts as 0, which steers the search away, and a candidate that has such runs is no winner
(`runs.extraction`).
"""

from collections.abc import Callable, Mapping
from functools import lru_cache

from mipro_studio.optimizer_core.objective_spec import ObjectiveSpec, read_objective
from mipro_studio.optimizer_core.types import Cell, Usage

__all__ = ["THE_SCORE", "Measure", "Objective", "measured", "objective_of", "over_limits", "score_of"]

Measure = Callable[[Cell], float | None]
"""What a cell counts for; None: it tells nothing."""


def score_of(cell: Cell) -> float | None:
    return cell.score


def measured(cell: Cell, quantity: str) -> float | None:
    """How much of `quantity` the program run took; None where nobody knows (a price, mostly).

    Prompt tokens are those of one call: of the predictor whose prompts are longest on average in this run.
    """
    return _READ[quantity](cell)


def _prompt_tokens(cell: Cell) -> float | None:
    """By predictor, so that what a judge was sent does not count; older stores know the program run alone."""
    lengths = [of for usage in cell.by_predictor.values() if (of := _per_call(usage)) is not None]
    return max(lengths) if lengths else _per_call(cell.usage)


def _per_call(usage: Usage) -> float | None:
    return usage.input_tokens / usage.calls if usage.calls else None


_READ: Mapping[str, Measure] = {
    "usd": lambda cell: cell.usage.cost_usd,
    "seconds": lambda cell: cell.seconds_s,
    "tokens": lambda cell: cell.usage.input_tokens + cell.usage.output_tokens,
    "prompt_tokens": _prompt_tokens,
}


class Objective:
    """What a cell is worth. Called with a cell it gives a float, higher is better, or None.

    None: the cell has no score, or something that counts is not known of it. Such a cell is seen by no search.
    """

    def __init__(self, spec: ObjectiveSpec) -> None:
        self._spec = spec

    @property
    def is_score(self) -> bool:
        """Whether it is the metric's score and nothing else."""
        return self._spec.is_score

    @property
    def limited(self) -> bool:
        return bool(self._spec.limits)

    @property
    def limits(self) -> str:
        """The limits as a person would write them."""
        return ", ".join(self.text.split(", ")[1:])

    @property
    def text(self) -> str:
        """Its name for people: what they would write."""
        return self._spec.text

    def __call__(self, cell: Cell) -> float | None:
        if cell.score is None or self.is_score:
            return cell.score
        took = {name: measured(cell, name) for name in self._spec.quantities}
        known = {name: amount for name, amount in took.items() if amount is not None}
        if len(known) < len(took):
            return None
        score = min(cell.score, 0.0) if self._over(known) else cell.score
        return score - sum(price * known[name] for name, price in self._spec.prices.items())

    def over(self, cell: Cell) -> bool:
        """Whether the cell has a score and its program run took more of something than its limit."""
        took = {name: measured(cell, name) or 0.0 for name in self._spec.limits}
        return cell.score is not None and self._over(took)

    def _over(self, took: Mapping[str, float]) -> bool:
        return any(took[name] > most for name, most in self._spec.limits.items())


THE_SCORE = Objective(ObjectiveSpec())


def over_limits(over: Mapping[str, Mapping[str, bool]]) -> frozenset[str]:
    """The candidates that break a limit on an example on which another one keeps it: none of them can win.

    Examples on which no candidate keeps the limits tell none from another and are left out.

    Args:
        over: Candidate -> example -> whether its program run was over a limit (`Objective.over`).
    """
    kept = {example for row in over.values() for example, broken in row.items() if not broken}
    return frozenset(
        name for name, row in over.items() if any(broken and example in kept for example, broken in row.items())
    )


@lru_cache(maxsize=32)
def objective_of(text: str) -> Objective:
    """The objective that the setting `objective` says."""
    return Objective(read_objective(text))
