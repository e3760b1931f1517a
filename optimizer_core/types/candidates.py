"""Candidates: which arm each owner has of each kind, and the id that says it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from mipro_studio.optimizer_core.types.arms import SEED_ARM

__all__ = ["ALWAYS_WRITTEN", "TEACHER", "WHOLE", "Candidate"]

WHOLE = -1
"""Where a predictor's place stands in a candidate: the program as a whole."""

ALWAYS_WRITTEN = ("i", "d")
"""Letters that every predictor's part of a candidate's id has; other kinds are written where they differ."""

TEACHER = "teacher"
"""Candidate id of the teacher's runs on training rows while bootstrapping."""

_PAIRS = re.compile(r"([a-z])([0-9]+)")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Which arm of every kind each predictor, and the program as a whole, has: a map from (owner, kind) to an index.

    An owner is written as a predictor's place in the program, or `WHOLE`, and a kind as the first letter of its name,
    so that a candidate is its `id` and the other way round. What `arms` does not name has the seed's arm.

    Attributes:
        arms: (place, letter, index), in order, without those of index `SEED_ARM`; `of` makes them from a mapping.
    """

    n_predictors: int
    arms: tuple[tuple[int, str, int], ...] = ()

    @classmethod
    def of(cls, n_predictors: int, chosen: Mapping[tuple[int, str], int]) -> "Candidate":
        """The candidate with the arm `chosen[place, kind]`, and the seed's where nothing is said."""
        arms = ((place, kind[0], index) for (place, kind), index in chosen.items() if index != SEED_ARM)
        return cls(n_predictors, tuple(sorted(arms)))

    @classmethod
    def baseline(cls, n_predictors: int) -> "Candidate":
        return cls(n_predictors)

    def arm(self, place: int, kind: str) -> int:
        """Index of the arm of `kind` that the predictor at `place` has, or the program (`WHOLE`)."""
        letter = kind[0]
        return next((index for at, its, index in self.arms if at == place and its == letter), SEED_ARM)

    def having(self, chosen: Mapping[tuple[int, str], int]) -> "Candidate":
        """This candidate with other arms at (place, kind)."""
        own = {(place, letter): index for place, letter, index in self.arms}
        new = {(place, kind[0]): index for (place, kind), index in chosen.items()}
        return Candidate.of(self.n_predictors, own | new)

    def without_each(self) -> dict[tuple[int, str, int], "Candidate"]:
        """By (place, letter, index) of an arm that is not the seed's: this candidate with the seed's in its place."""
        return {
            left_out: replace(self, arms=tuple(arm for arm in self.arms if arm != left_out)) for left_out in self.arms
        }

    @property
    def id(self) -> str:
        """`i1d0-i2d3t1-w1`: instruction, demos and whatever else differs from the seed, a part for each predictor.

        A last part without an instruction is the program's own, where an arm of it is not the seed's.
        """
        return _written(self)

    @classmethod
    def parse(cls, candidate_id: str) -> "Candidate":
        """The inverse of `id`; ValueError for any other text."""
        return _parsed(candidate_id)


# A page that is drawn anew reads the ids of a thousand trials each time, and a search reads and writes as many.
@lru_cache(maxsize=8192)
def _written(candidate: Candidate) -> str:
    parts = [dict.fromkeys(ALWAYS_WRITTEN, SEED_ARM) for _ in range(candidate.n_predictors)] + [{}]
    for place, letter, index in candidate.arms:
        parts[place][letter] = index
    return "-".join("".join(f"{letter}{part[letter]}" for letter in part) for part in parts if part)


@lru_cache(maxsize=8192)
def _parsed(candidate_id: str) -> Candidate:
    parts = [dict(_PAIRS.findall(part)) for part in candidate_id.split("-")]
    whole = parts.pop() if ALWAYS_WRITTEN[0] not in parts[-1] else {}
    named = [*enumerate(parts), (WHOLE, whole)]
    chosen = {(at, letter): int(index) for at, part in named for letter, index in part.items()}
    found = Candidate.of(len(parts), chosen)
    if found.id != candidate_id or not parts:
        raise ValueError(f"{candidate_id!r} is no candidate")
    return found
