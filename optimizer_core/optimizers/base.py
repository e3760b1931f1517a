"""The four questions of Algorithm 1 (MIPRO section 2) that every optimizer answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from optimizer_core.kit import Kit
from optimizer_core.surrogates import Observation
from optimizer_core.types import Candidate

__all__ = ["Optimizer", "View"]


@dataclass(frozen=True)
class View:
    """What a suggestion may know: all trials but the latest, which are under way (see `SearchSettings.lag`).

    Attributes:
        number: The trial that is asked for, from 1.
        observed: Finished trials in order, with means over the validation cells behind them.
        pending: Candidates under way.
        exhausted: Ids of candidates evaluated on the whole validation set.
        seed: For this suggestion.
    """

    number: int
    observed: Sequence[Observation]
    pending: Sequence[Candidate]
    exhausted: frozenset[str]
    seed: int


class Optimizer(Protocol):
    """One system of the seeds, put together from exchangeable parts.

    Extracting the best candidate is the same for all (the best full evaluation) and belongs to the search;
    updating is reading the score table, so an optimizer keeps no state of its own and resumes by being asked again.
    """

    name: str
    summary: str

    async def initialize(self, kit: Kit) -> None:
        """Bootstrap demo sets and write the first instructions."""

    async def propose(self, kit: Kit, view: View) -> Candidate | None:
        """The next candidate; None when there is nothing left to try. Depends on `kit`'s arms and `view` alone."""
