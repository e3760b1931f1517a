"""Candidates as people name them: `edit of instruction 3 + demo set 5`. Ids are for exports. Pure but for reading.

The one place that turns a candidate into words, and into its parts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mipro_studio.optimizer_core.types import SEED_ARM, TEACHER, Author, Candidate, DemoSet, Instruction
from mipro_studio.storage import Reader

__all__ = ["BASELINE", "Names", "Part", "names_of", "parts_of"]

BASELINE = "the program as it came"


@dataclass(frozen=True, slots=True)
class Part:
    """What a candidate has for one predictor; the arms are None where they are not recorded.

    `words` is `instruction 3 + demo set 5`, and "" for what the program came with.
    """

    predictor: str
    instruction: Instruction | None
    demo_set: DemoSet | None
    words: str


@dataclass(frozen=True)
class Names:
    """The names of a run's candidates, by id."""

    predictors: tuple[str, ...]
    instructions: Mapping[tuple[str, int], Instruction]
    demo_sets: Mapping[tuple[str, int], DemoSet]

    @property
    def n_written(self) -> int:
        """Instructions that did not come with the program."""
        return sum(arm.author is not Author.SEED for arm in self.instructions.values())

    def of(self, candidate: str | None) -> str:
        """A name; the id itself where it is none of this run's. None is the baseline."""
        if candidate is None:
            return BASELINE
        if candidate == TEACHER:
            return "the teacher"
        parts = self.parts(candidate)
        if not parts:
            return candidate
        changed = [part for part in parts if part.words]
        if not changed:
            return BASELINE
        if len(parts) == 1:
            return changed[0].words
        return " · ".join(f"{part.predictor}: {part.words}" for part in changed)

    def parts(self, candidate: str | None) -> list[Part]:
        """Predictor by predictor; the baseline's for None, nothing for an id that is none of this run's."""
        try:
            chosen = Candidate.parse(candidate) if candidate else Candidate.baseline(len(self.predictors))
        except ValueError:
            return []
        if len(chosen.choices) != len(self.predictors):
            return []
        return [self._part(name, *pair) for name, pair in zip(self.predictors, chosen.choices, strict=True)]

    def _part(self, predictor: str, instruction: int, demos: int) -> Part:
        said = [self._instruction_words(predictor, instruction), self._demo_words(predictor, demos)]
        return Part(
            predictor,
            self.instructions.get((predictor, instruction)),
            self.demo_sets.get((predictor, demos)),
            " + ".join(word for word in said if word),
        )

    def _instruction_words(self, predictor: str, index: int) -> str:
        if index == SEED_ARM:
            return ""
        found = self.instructions.get((predictor, index))
        edited = found.provenance.get("edited_from") if found is not None else None
        if edited is None:
            by_person = found is not None and found.author is Author.PERSON
            return f"{'your ' if by_person else ''}instruction {index}"
        others = [
            arm for arm in self.instructions.values()
            if arm.predictor == predictor and arm.provenance.get("edited_from") == edited
        ]  # fmt: skip
        source = "the first instruction" if edited == SEED_ARM else f"instruction {edited}"
        return f"edit of {source}" + (f" (number {index})" if len(others) > 1 else "")

    def _demo_words(self, predictor: str, index: int) -> str:
        if index == SEED_ARM:
            return ""
        found = self.demo_sets.get((predictor, index))
        return "no demos" if found is not None and not found.demos else f"demo set {index}"


def names_of(reader: Reader, run_id: str) -> Names:
    instructions, demo_sets = reader.instructions(run_id), reader.demo_sets(run_id)
    named = [arm.predictor for arm in instructions] + [arm.predictor for arm in demo_sets]
    return Names(
        tuple(dict.fromkeys(named)),
        {(arm.predictor, arm.index): arm for arm in instructions},
        {(arm.predictor, arm.index): arm for arm in demo_sets},
    )


def parts_of(reader: Reader, run_id: str, candidate: str | None) -> list[Part]:
    """What `candidate` has, predictor by predictor; the baseline's for None."""
    return names_of(reader, run_id).parts(candidate)
