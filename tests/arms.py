"""Arms of the two kinds that every program has, as tests look at them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.instruction import instruction_arm
from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, Arm, Author, Candidate, Demo


def instructions_of(journal: Any) -> list[Arm]:
    return [arm for arm in journal.arms() if arm.kind == INSTRUCTION]


def demo_sets_of(journal: Any) -> list[Arm]:
    return [arm for arm in journal.arms() if arm.kind == DEMOS]


def pairs(candidate: Candidate) -> tuple[tuple[int, int], ...]:
    """(instruction, demo set) of every predictor."""
    return tuple((candidate.arm(at, INSTRUCTION), candidate.arm(at, DEMOS)) for at in range(candidate.n_predictors))


def of_pairs(chosen: Iterable[tuple[int, int]]) -> Candidate:
    return Candidate.parse("-".join(f"i{instruction}d{demos}" for instruction, demos in chosen))


def space_of(
    predictors: Sequence[str],
    instructions: Mapping[str, Sequence[int]],
    demo_sets: Mapping[str, Sequence[int]],
    frozen: Sequence[str] = (),
) -> SearchSpace:
    return SearchSpace(predictors, {INSTRUCTION: instructions, DEMOS: demo_sets}, frozen)


def built(arms: Any, instructions: Mapping[str, str], demos: Mapping[str, Sequence[Demo]]) -> Any:
    """The program with these put in; what is not named stays as it is."""
    texts = [instruction_arm(name, 1, text, Author.PERSON) for name, text in instructions.items()]
    return arms.build([*texts, *(demos_arm(name, 1, "person", own) for name, own in demos.items())])
