"""Credit by predictor: what a cell says of each predictor alone, where the answers in between tell.

In a program of several predictors a cell that fails does not say which of them was wrong, and one label at the end
judges them all. But what a predictor answered on a row can be held against what it answered where the row passed: the
same answer was right there, another one most likely is not. So a predictor that nobody labelled gets labels from the
cells that passed, and of the predictors after it only those cells are judged that came to them with right answers.

Both are cells of candidates of which one predictor's arms are known and the others count as right (`RIGHT`). The
model of the cells takes them beside the candidates' own, as it takes any that share some arms. An answer is judged by
those of other arms of the same predictor, so that none is right for having passed itself.

Everything is counted in arrays with an entry an answer, as a search of thousands of cells asks for it at every
suggestion. `tests/optimizer_core/search/credit_cell_by_cell.py` says the same cell by cell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

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
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Thing = TypeVar("Thing")


@dataclass(frozen=True, eq=False)
class _Answers:
    """What predictors answered: A entries in the order of calls, cell by cell.

    Attributes:
        rows: Ids of the rows.
        parts: (predictor's place, its arms): what an answer is of.
        row, place, said, part: [A] the row and the predictor's place, what it said as a number, and its `parts`.
        score: [A] the cell's.
        first, last: [A] where the cell's entries begin; whether the entry is the last of its cell.
    """

    rows: list[str]
    parts: list[tuple[int, Arms]]
    row: Ints
    place: Ints
    said: Ints
    part: Ints
    score: Floats
    first: Ints
    last: Flags


@dataclass(frozen=True, eq=False)
class _Judged:
    """[A] of every answer but the last of a cell, for which all are False.

    Attributes:
        known: Other arms of the predictor passed on the row.
        same: Some of them with the same answer.
        itself: Some arms, its own among them, passed with this answer.
    """

    known: Flags
    same: Flags
    itself: Flags


def with_credit(seen: Sequence[Observation]) -> tuple[list[Candidate], list[Mapping[str, float]]]:
    """(candidates, scores by row) for `laplace.fit`: those seen in their order, then what is known of parts."""
    candidates, rows = [one.candidate for one in seen], [one.scores for one in seen]
    parts = _parts(seen)
    return [*candidates, *parts], [*rows, *parts.values()]


def _parts(seen: Sequence[Observation]) -> dict[Candidate, dict[str, float]]:
    if any(not 0 <= score <= PASSED for one in seen for score in one.scores.values()):
        return {}
    told = _answers(seen)
    judged = None if told is None else _judged(told)
    if told is None or judged is None or not _telling(told, judged):
        return {}
    n_predictors = seen[0].candidate.n_predictors
    found = _richest(told, *_known(told, judged))
    return {_alone(n_predictors, *told.parts[part]): row for part, row in found.items()}


def _answers(seen: Sequence[Observation]) -> _Answers | None:
    """None where no predictor answered."""
    told = [answers for one in seen for answers in one.answers.values()]
    flat = list(chain.from_iterable(told))
    if not flat:
        return None
    lengths = np.fromiter(map(len, told), np.int64, len(told))
    ends = np.cumsum(lengths)
    cell = np.repeat(np.arange(len(told)), lengths)
    last = np.zeros(len(flat), dtype=bool)
    last[ends[lengths > 0] - 1] = True
    rows, row = _numbered([name for one in seen for name in one.answers])
    _, said = _numbered(list(map(itemgetter(1), flat)))
    place = np.fromiter(map(itemgetter(0), flat), np.int64, len(flat))
    parts, part_of = _numbered([part for one in seen for part in enumerate(_own(one.candidate))])
    candidate = np.repeat(np.arange(len(seen)), [len(one.answers) for one in seen])
    part = part_of.reshape(len(seen), -1)[candidate[cell], place]
    score = np.array([one.scores[name] for one in seen for name in one.answers])[cell]
    return _Answers(rows, parts, row[cell], place, said, part, score, (ends - lengths)[cell], last)


def _numbered(things: Sequence[Thing]) -> tuple[list[Thing], Ints]:
    """The different things in the order in which they come, and the number of each of `things`."""
    numbers = {thing: number for number, thing in enumerate(dict.fromkeys(things))}
    return list(numbers), np.fromiter(map(numbers.__getitem__, things), np.int64, len(things))


def _judged(told: _Answers) -> _Judged | None:
    """How answers stand to those of other arms where the row passed; None where no row passed."""
    at = np.flatnonzero(~told.last)
    n_said, n_parts = int(told.said.max()) + 1, len(told.parts)
    where = told.row[at] * (int(told.place.max()) + 1) + told.place[at]
    answer = where * n_said + told.said[at]
    given = answer * n_parts + told.part[at]  # this answer by these arms
    passed, _ = _counted(given[told.score[at] >= PASSED])  # arms that gave an answer twice count once
    if not len(passed):
        return None
    by, own = passed // n_parts, passed % n_parts
    there = by // n_said
    all_of_it = _times(by, answer)
    all_there = np.bincount(there, minlength=int(where.max()) + 1)[where]
    others_there = all_there - _times(there * n_parts + own, where * n_parts + told.part[at])
    known, same, itself = (np.zeros(len(told.last), dtype=bool) for _ in range(3))
    known[at], same[at], itself[at] = others_there > 0, all_of_it > _times(passed, given), all_of_it > 0
    return _Judged(known, same, itself)


def _times(of: Ints, asked: Ints) -> Ints:
    """How many of `of` are equal to each of `asked`."""
    different, counts = _counted(of)
    at = np.minimum(np.searchsorted(different, asked), len(different) - 1)
    return np.where(different[at] == asked, counts[at], 0)


def _counted(numbers: Ints) -> tuple[Ints, Ints]:
    """The different numbers in order, and how often each is there."""
    ordered = np.sort(numbers)
    starts = np.flatnonzero(np.diff(ordered, prepend=-1))
    return ordered[starts], np.diff(starts, append=len(ordered))


def _telling(told: _Answers, judged: _Judged) -> bool:
    """Whether a different answer in between means a worse score; where answers are free text it does not."""
    agreed, differed = told.score[judged.known & judged.same], told.score[judged.known & ~judged.same]
    same_mean, other_mean = ((sum(scores.tolist()) + 0.5) / (len(scores) + 1) for scores in (agreed, differed))
    return bool(other_mean <= FAIR * same_mean)


def _known(told: _Answers, judged: _Judged) -> tuple[Ints, Floats]:
    """(entries that say something of their predictor, scores), as far along a program run as answers were right."""
    ends = (~judged.same & ~told.last).astype(np.int64)  # nothing after it is judged
    before = np.cumsum(ends) - ends
    reached = before == before[told.first]
    # Of those that passed themselves with another answer than others did, nothing is known.
    certain = judged.known & (judged.same | ~judged.itself)
    alone = told.last & (told.first == np.arange(len(told.last)))  # the only answer of its program run
    entries = np.flatnonzero(reached & (certain | (told.last & ~alone)))
    return entries, np.where(told.last, told.score, judged.same)[entries]


def _richest(told: _Answers, entries: Ints, scores: Floats) -> dict[int, dict[str, float]]:
    """Scores by part and row, of the `MOST` parts with the most rows; of two scores of a part on a row the latter."""
    part, row = told.part[entries], told.row[entries]
    pairs, _ = _counted(part * len(told.rows) + row)
    rows_of = np.bincount(pairs // len(told.rows), minlength=len(told.parts))
    seen = list(dict.fromkeys(part.tolist()))
    richest = sorted(seen, key=lambda one: -rows_of[one])[:MOST]
    kept = np.isin(part, richest)
    found: dict[int, dict[str, float]] = {}
    for one, at, score in zip(part[kept].tolist(), row[kept].tolist(), scores[kept].tolist(), strict=True):
        found.setdefault(one, {})[told.rows[at]] = score
    return found


def _own(candidate: Candidate) -> list[Arms]:
    """By predictor: its arms, those of the whole program among them."""
    whole = [arm for arm in candidate.arms if arm[0] == WHOLE]  # which come first
    own = [whole.copy() for _ in range(candidate.n_predictors)]
    for arm in candidate.arms[len(whole) :]:
        own[arm[0]].append(arm)
    return [tuple(arms) for arms in own]


def _alone(n_predictors: int, place: int, own: Arms) -> Candidate:
    """The candidate with nothing of its own but this predictor's arms."""
    others = (at for at in range(n_predictors) if at != place)
    right = tuple((at, letter, RIGHT) for at in others for letter in ALWAYS_WRITTEN)
    return Candidate(n_predictors, tuple(sorted((*own, *right))))
