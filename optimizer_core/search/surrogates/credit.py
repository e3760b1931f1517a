"""Credit by predictor: what a cell says of each predictor alone, where the answers in between tell.

In a program of several predictors a cell that fails does not say which of them was wrong, and one label at the end
judges them all. But what a predictor answered on a row can be held against what it answered where the row passed: the
same answer was right there, another one most likely is not. So a predictor that nobody labelled gets labels from the
cells that passed, and of the predictors after it only those cells are judged that came to them with right answers.

Both are cells of candidates of which one predictor's arms are known and the others count as right (`RIGHT`). The
model of the cells takes them beside the candidates' own, as it takes any that share some arms. An answer is judged by
those of other arms of the same predictor, so that none is right for having passed itself.
"""

from collections.abc import Iterator, Mapping, Sequence

from mipro_studio.optimizer_core.search.surrogates.base import Observation
from mipro_studio.optimizer_core.types import ALWAYS_WRITTEN, WHOLE, Candidate

__all__ = ["RIGHT", "with_credit"]

RIGHT = -1
"""Stands for the arms of the predictors that count as right."""
PASSED = 1.0
MOST = 160
"""Parts that the model is told of, those with the most cells: its systems are as large as they and the candidates."""
FAIR = 0.5
"""Rows whose answers differ from the right ones must pass at most so often as those whose answers agree."""

Arms = tuple[tuple[int, str, int], ...]
Passed = Mapping[tuple[str, int], Mapping[str, set[Arms]]]
"""By row and predictor: the answers it gave where the row passed, each with the arms that gave it."""


def with_credit(seen: Sequence[Observation]) -> tuple[list[Candidate], list[Mapping[str, float]]]:
    """(candidates, scores by row) for `laplace.fit`: those seen in their order, then what is known of parts."""
    candidates, rows = [one.candidate for one in seen], [one.scores for one in seen]
    everything = _parts(seen)
    richest = {*sorted(everything, key=lambda one: -len(everything[one]))[:MOST]}
    parts = {one: row for one, row in everything.items() if one in richest}
    return [*candidates, *parts], [*rows, *parts.values()]


def _parts(seen: Sequence[Observation]) -> dict[Candidate, dict[str, float]]:
    if any(not 0 <= score <= PASSED for one in seen for score in one.scores.values()):
        return {}
    passed = _passed(seen)
    if not passed or not _telling(seen, passed):
        return {}
    found: dict[Candidate, dict[str, float]] = {}
    for one in seen:
        for row, place, score in _judged(one, passed):
            found.setdefault(_alone(one.candidate, place), {})[row] = score
    return found


def _judged(one: Observation, passed: Passed) -> Iterator[tuple[str, int, float]]:
    """(row, predictor, score): as far along each program run as the answers before were right."""
    for row, answers in one.answers.items():
        for place, said in answers[:-1]:
            right = _right(one.candidate, row, place, said, passed)
            if right is None:
                break
            yield row, place, float(right)
            if not right:
                break
        else:
            if len(answers) > 1:
                yield row, answers[-1][0], one.scores[row]


def _right(candidate: Candidate, row: str, place: int, said: str, passed: Passed) -> bool | None:
    """Whether other arms of the predictor gave this answer where the row passed; None where none passed, or where
    nobody but these arms passed with it."""
    others = _others(candidate, row, place, passed)
    if not others or (said in passed[row, place] and said not in others):
        return None
    return said in others


def _others(candidate: Candidate, row: str, place: int, passed: Passed) -> set[str]:
    """Answers of other arms of the predictor where the row passed."""
    own = {_own(candidate, place)}
    return {answer for answer, by in passed.get((row, place), {}).items() if by - own}


def _passed(seen: Sequence[Observation]) -> Passed:
    found: dict[tuple[str, int], dict[str, set[Arms]]] = {}
    for one in seen:
        for row, answers in one.answers.items():
            if one.scores.get(row, 0.0) >= PASSED:
                for place, said in answers[:-1]:
                    found.setdefault((row, place), {}).setdefault(said, set()).add(_own(one.candidate, place))
    return found


def _telling(seen: Sequence[Observation], passed: Passed) -> bool:
    """Whether a different answer in between means a worse score; where answers are free text it does not."""
    agreed: list[float] = []
    differed: list[float] = []
    for one in seen:
        for row, answers in one.answers.items():
            for place, said in answers[:-1]:
                others = _others(one.candidate, row, place, passed)
                if others:
                    (agreed if said in others else differed).append(one.scores[row])
    same, other = ((sum(scores) + 0.5) / (len(scores) + 1) for scores in (agreed, differed))
    return other <= FAIR * same


def _own(candidate: Candidate, place: int) -> Arms:
    return tuple(arm for arm in candidate.arms if arm[0] in (place, WHOLE))


def _alone(candidate: Candidate, place: int) -> Candidate:
    """The candidate with nothing of its own but this predictor's arms."""
    others = (at for at in range(candidate.n_predictors) if at != place)
    right = tuple((at, letter, RIGHT) for at in others for letter in ALWAYS_WRITTEN)
    return Candidate(candidate.n_predictors, tuple(sorted((*_own(candidate, place), *right))))
