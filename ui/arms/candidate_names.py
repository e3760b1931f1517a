"""Candidates as people name them: `edit of instruction 3 + demo set 5`. Ids are for exports. Pure but for reading.

The one place that turns a candidate into words, and into its parts.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from mipro_studio.optimizer_core.parameters.registry import OF_THE_PROGRAM, title
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, PROGRAM, SEED_ARM, TEACHER, Arm, Author, Candidate
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.slots import Slot, arms_by_slot, n_predictors, slots_of

__all__ = ["BASELINE", "Names", "Part", "names_of", "parts_of"]

BASELINE = "the program as it came"


@dataclass(frozen=True, slots=True)
class Part:
    """What a candidate has for one predictor, or for the program as a whole (`PROGRAM`).

    `arms` are by kind, None where one is not recorded. `words` is `instruction 3 + demo set 5`, and "" for what the
    program came with.
    """

    owner: str
    arms: Mapping[str, Arm | None]
    words: str

    @property
    def instruction(self) -> Arm | None:
        return self.arms.get(INSTRUCTION)

    @property
    def demo_set(self) -> Arm | None:
        return self.arms.get(DEMOS)


@dataclass(frozen=True)
class Names:
    """The names of a run's candidates, by id.

    Attributes:
        slots: (owner, kind) of every parameter.
        arms: By (owner, kind, index).
    """

    slots: tuple[Slot, ...]
    arms: Mapping[tuple[str, str, int], Arm]

    @classmethod
    def among(cls, arms: Iterable[Arm]) -> "Names":
        known = {(arm.owner, arm.kind, arm.index): arm for arm in arms}
        return cls(tuple(slots_of(known.values())), known)

    @property
    def predictors(self) -> tuple[str, ...]:
        """In program order."""
        return tuple(dict.fromkeys(owner for owner, _ in self.slots if owner != PROGRAM))

    @property
    def n_written(self) -> int:
        """Instructions that did not come with the program."""
        return sum(arm.author is not Author.SEED for arm in self.arms.values() if arm.kind == INSTRUCTION)

    def of(self, candidate: str | None) -> str:
        """A name; the id itself where it is none of this run's. None is the baseline."""
        if candidate is None:
            return BASELINE
        if candidate == TEACHER:
            return "the teacher"
        if candidate not in self._said:
            self._said[candidate] = self._name(candidate)
        return self._said[candidate]

    @cached_property
    def _said(self) -> dict[str, str]:
        """Names by id. They outlive this object, as a page that refreshes names a thousand trials each time."""
        facts = (
            (key, arm.author, arm.provenance.get("edited_from"), arm.kind == DEMOS and not arm.demos)
            for key, arm in self.arms.items()
        )
        return _names_by_id((self.slots, *facts))

    def _name(self, candidate: str) -> str:
        found = self._chosen(candidate)
        if not found:
            return candidate
        changed: dict[str, list[str]] = {owner: [] for owner, _ in found}
        alone = len(changed) == 1
        for (owner, kind), index in found.items():
            if index != SEED_ARM:
                changed[owner].append(self._words(owner, kind, index))
        said = {owner: " + ".join(words) for owner, words in changed.items() if words}
        if not said or alone:
            return "".join(said.values()) or BASELINE
        return " · ".join(f"{owner or OF_THE_PROGRAM}: {words}" for owner, words in said.items())

    def parts(self, candidate: str | None) -> list[Part]:
        """Owner by owner; the baseline's for None, nothing for an id that is none of this run's."""
        found = self._chosen(candidate)
        return [
            self._part(owner, {kind: index for (whose, kind), index in found.items() if whose == owner})
            for owner in dict.fromkeys(owner for owner, _ in found)
        ]

    def _chosen(self, candidate: str | None) -> Mapping[Slot, int]:
        """The index of the arm of every parameter; nothing for an id that is none of this run's."""
        try:
            chosen = Candidate.parse(candidate) if candidate else Candidate.baseline(n_predictors(self.slots))
        except ValueError:
            return {}
        return arms_by_slot(chosen, self.slots)

    def _part(self, owner: str, chosen: Mapping[str, int]) -> Part:
        said = [self._words(owner, kind, index) for kind, index in chosen.items() if index != SEED_ARM]
        arms = {kind: self.arms.get((owner, kind, index)) for kind, index in chosen.items()}
        return Part(owner, arms, " + ".join(said))

    def _words(self, owner: str, kind: str, index: int) -> str:
        key = owner, kind, index
        if key not in self._words_of:
            self._words_of[key] = self._worded(owner, kind, index)
        return self._words_of[key]

    @cached_property
    def _words_of(self) -> dict[tuple[str, str, int], str]:
        """By arm; a run has few arms and many candidates."""
        return {}

    def _worded(self, owner: str, kind: str, index: int) -> str:
        found = self.arms.get((owner, kind, index))
        if kind == DEMOS:
            return "no demos" if found is not None and not found.demos else f"demo set {index}"
        edited = found.provenance.get("edited_from") if found is not None else None
        if edited is None:
            by_person = found is not None and found.author is Author.PERSON
            return f"{'your ' if by_person else ''}{title(kind)} {index}"
        others = [
            arm for arm in self.arms.values()
            if (arm.owner, arm.kind) == (owner, kind) and arm.provenance.get("edited_from") == edited
        ]  # fmt: skip
        source = f"the first {title(kind)}" if edited == SEED_ARM else f"{title(kind)} {edited}"
        return f"edit of {source}" + (f" (number {index})" if len(others) > 1 else "")


@lru_cache(maxsize=16)
def _names_by_id(facts: tuple[object, ...]) -> dict[str, str]:
    """The names that were said of a run whose arms are these, in what names depend on."""
    return {}


def names_of(reader: Reader, run_id: str) -> Names:
    return Names.among(reader.arms(run_id))


def parts_of(reader: Reader, run_id: str, candidate: str | None) -> list[Part]:
    """What `candidate` has, owner by owner; the baseline's for None."""
    return names_of(reader, run_id).parts(candidate)
