"""How arms did: the mean over the validation examples that candidates with the arm were scored on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mipro_studio.optimizer_core.types import Candidate, Trial
from mipro_studio.storage import Reader
from mipro_studio.ui.text.format import interval, plural, score

__all__ = ["ArmScore", "arm_scores"]


@dataclass(frozen=True, slots=True)
class ArmScore:
    """`estimate` is core's, over examples; None before any has a score."""

    n_candidates: int
    estimate: Mapping[str, Any] | None

    @property
    def mean(self) -> float | None:
        return self.estimate["mean"] if self.estimate else None

    @property
    def words(self) -> str:
        """`0.71, 0.62 to 0.80 (90 %), n = 40, in 6 candidates`."""
        if not self.estimate:
            return "not tried yet"
        spread = interval(self.estimate)
        return f"{score(self.mean)}, {spread}, in {plural(self.n_candidates, 'candidate')}"


def arm_scores(reader: Reader, run_id: str, place: int, kind: str, trials: Iterable[Trial]) -> dict[int, ArmScore]:
    """By arm index, for the arms of `kind` of the predictor at `place`."""
    users: dict[int, dict[str, int]] = {}
    for trial in trials:
        index = Candidate.parse(trial.candidate).arm(place, kind)
        # With what has come in, so that a kept answer is not shown for more cells than it is about.
        seen = users.setdefault(index, {})
        seen[trial.candidate] = seen.get(trial.candidate, 0) + trial.n_ok
    found = {}
    for index, candidates in users.items():
        found[index] = ArmScore(len(candidates), _estimate(reader, run_id, candidates))
    return found


_KNOWN: dict[tuple[object, ...], Mapping[str, Any] | None] = {}
_MOST_KNOWN = 1024


def _estimate(reader: Reader, run_id: str, candidates: Mapping[str, int]) -> Mapping[str, Any] | None:
    """Kept while the cells behind it are the same: a page that polls asks again and again."""
    key = (str(reader.path), run_id, *candidates.items())
    if key not in _KNOWN:
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        means = reader.example_means(run_id, list(candidates))
        _KNOWN[key] = _of(means) if means else None
    return _KNOWN[key]


def _of(means: list[float]) -> Mapping[str, Any]:
    # scipy takes a third of a second to import, which a page without scores need not pay.
    from mipro_studio.optimizer_core.analysis.statistics import estimate

    return estimate(means)
