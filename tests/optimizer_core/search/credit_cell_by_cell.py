"""Credit by predictor said cell by cell, as `surrogates.credit` describes it: what its arrays are held against."""

from collections.abc import Iterator, Mapping, Sequence

from mipro_studio.optimizer_core.search.surrogates.base import Observation
from mipro_studio.optimizer_core.search.surrogates.credit import FAIR, MOST, PASSED, RIGHT
from mipro_studio.optimizer_core.types import ALWAYS_WRITTEN, WHOLE, Candidate

__all__ = ["with_credit"]

Arms = tuple[tuple[int, str, int], ...]
Agreed = tuple[int, bool | None, bool]
"""(predictor, whether other arms of it passed with the same answer, whether any did)."""
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
    judged = [(one, _judged(one, passed)) for one in seen] if passed else []
    if not passed or not _telling(judged):
        return {}
    found: dict[Candidate, dict[str, float]] = {}
    for one, of_one in judged:
        alone = [_alone(one.candidate, place) for place in range(one.candidate.n_predictors)]
        for row, agreed in of_one.items():
            for place, score in _known(agreed, one.answers[row][-1][0], one.scores[row]):
                found.setdefault(alone[place], {})[row] = score
    return found


def _known(agreed: Sequence[Agreed], last: int, score: float) -> Iterator[tuple[int, float]]:
    """(predictor, score) as far along a program run as the answers before were right."""
    for place, same, itself in agreed:
        if same is None or (itself and not same):
            return  # no others passed, or it passed itself with another answer than they
        yield place, float(same)
        if not same:
            return
    if agreed:
        yield last, score


def _judged(one: Observation, passed: Passed) -> dict[str, list[Agreed]]:
    """By row: how the answers of all predictors but the last stand to those of other arms where the row passed."""
    own = [_own(one.candidate, place) for place in range(one.candidate.n_predictors)]
    found: dict[str, list[Agreed]] = {}
    for row, answers in one.answers.items():
        told: list[Agreed] = []
        for place, said in answers[:-1]:
            known = passed.get((row, place), {})
            told.append((place, _same(known, said, own[place]), said in known))
        found[row] = told
    return found


def _same(known: Mapping[str, set[Arms]], said: str, own: Arms) -> bool | None:
    """Whether other arms of the predictor passed with this answer; None where no others passed."""
    others = (answer for answer, by in known.items() if len(by) > 1 or own not in by)
    verdict = None
    for answer in others:
        if answer == said:
            return True
        verdict = False
    return verdict


def _passed(seen: Sequence[Observation]) -> Passed:
    found: dict[tuple[str, int], dict[str, set[Arms]]] = {}
    for one in seen:
        own = [_own(one.candidate, place) for place in range(one.candidate.n_predictors)]
        for row, answers in one.answers.items():
            if one.scores[row] >= PASSED:
                for place, said in answers[:-1]:
                    found.setdefault((row, place), {}).setdefault(said, set()).add(own[place])
    return found


def _telling(judged: Sequence[tuple[Observation, Mapping[str, Sequence[Agreed]]]]) -> bool:
    """Whether a different answer in between means a worse score; where answers are free text it does not."""
    agreed: list[float] = []
    differed: list[float] = []
    for one, of_one in judged:
        for row, told in of_one.items():
            for _, same, _ in told:
                if same is not None:
                    (agreed if same else differed).append(one.scores[row])
    same_mean, other_mean = ((sum(scores) + 0.5) / (len(scores) + 1) for scores in (agreed, differed))
    return other_mean <= FAIR * same_mean


def _own(candidate: Candidate, place: int) -> Arms:
    return tuple(arm for arm in candidate.arms if arm[0] in (place, WHOLE))


def _alone(candidate: Candidate, place: int) -> Candidate:
    """The candidate with nothing of its own but this predictor's arms."""
    others = (at for at in range(candidate.n_predictors) if at != place)
    right = tuple((at, letter, RIGHT) for at in others for letter in ALWAYS_WRITTEN)
    return Candidate(candidate.n_predictors, tuple(sorted((*_own(candidate, place), *right))))
