"""What each part of the winner brings: its score beside that of the winner without the part. No Streamlit.

The winner's parts are taken out one at a time, and the two are compared on the validation rows. Nothing is shown of a
part until the winner without it was scored on all of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mipro_studio.optimizer_core.types import Candidate
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.candidate_names import Names
from mipro_studio.ui.result.evidence import Estimate, Evidence, estimate_of, paired
from mipro_studio.ui.text.format import delta, delta_range, one_line, score

__all__ = ["BESIDE", "Brought", "in_words", "missing_runs", "what_parts_bring"]

BESIDE = (
    "Each part is taken out alone, and the winner scored without it on the validation rows. The search chose the "
    "winner by these, which flatters it a little. The ranges hold the true difference in nine cases of ten."
)


MOST_NAMED = 2


@dataclass(frozen=True, slots=True)
class Brought:
    """A part of the winner.

    Attributes:
        name: In words.
        without: Id of the winner without it.
        score: Mean of that; None until it was scored on all validation rows.
        paired: Core's `paired_difference`, the winner minus that.
    """

    name: str
    without: str
    score: float | None
    paired: Mapping[str, Any] | None

    @property
    def clear(self) -> bool:
        """The part is better than none, as far as its range tells."""
        return bool(self.paired and (self.paired.get("low") or 0.0) > 0)

    def row(self) -> dict[str, str]:
        """For a table."""
        assert self.paired is not None
        known = self.paired.get("low") is not None
        bounds = f" ({delta_range(self.paired['low'], self.paired['high'])})" if known else ""
        return {
            "part": self.name,
            "score without it": score(self.score),
            "what it brings": delta(self.paired["difference"]) + bounds,
            "better, worse": f"{self.paired['won']}, {self.paired['lost']}",
        }


def what_parts_bring(reader: Reader, run_id: str, found: Evidence, names: Names) -> list[Brought]:
    """The parts of a final winner, those that bring most first; empty where it has not two."""
    if not found.final or found.best is None or len(Candidate.parse(found.best).arms) < 2:
        return []
    winner = Candidate.parse(found.best)
    scores = reader.candidate_scores(run_id, found.best)
    parts = [
        _part(names.of(Candidate(winner.n_predictors, (arm,)).id), scores, one.id, reader, run_id, found.n_val)
        for arm, one in winner.without_each().items()
    ]
    return sorted(parts, key=lambda part: -part.paired["difference"] if part.paired else 0.0)


def _part(
    name: str, scores: Mapping[str, float | None], without: str, reader: Reader, run_id: str, n_val: int
) -> Brought:
    other = reader.candidate_scores(run_id, without)
    pairs = tuple(
        (second, first)
        for example, second in sorted(other.items())
        if second is not None and (first := scores.get(example)) is not None
    )
    if len(other) < n_val or not pairs:
        return Brought(name, without, None, None)
    known: Estimate = estimate_of(tuple(second for second, _ in pairs))
    return Brought(name, without, known["mean"], paired(pairs))


def missing_runs(reader: Reader, run_id: str, parts: Sequence[Brought]) -> int:
    """Program runs that it takes to know what all of them bring."""
    return reader.missing_cells(run_id, [part.without for part in parts if part.paired is None])


def in_words(parts: Sequence[Brought]) -> str:
    """What is known in one or two sentences; "" while nothing is."""
    known = [part for part in parts if part.paired is not None]
    if not known:
        return ""
    clear, rest = [part for part in known if part.clear], [part for part in known if not part.clear]
    said = []
    if clear:
        lost = [f"{score(part.paired['difference'])} without {_one(part)}" for part in clear if part.paired]
        said.append(f"The winner loses {', '.join(lost)}.")
    if rest:
        named = " or ".join(map(_one, rest)) if len(rest) <= MOST_NAMED else f"any of the other {len(rest)} parts"
        named = named if clear or len(rest) <= MOST_NAMED else f"any one of {len(rest)} parts"
        said.append(f"Without {named} no loss is told from chance.")
    return " ".join(said)


def _one(part: Brought) -> str:
    return one_line(part.name, 80)
