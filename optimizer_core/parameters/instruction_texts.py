"""Instructions with the same text: of equals the first is an arm, and the others say which it is."""

from collections.abc import Mapping, Sequence

from mipro_studio.optimizer_core.types import SEED_ARM, Instruction

__all__ = ["drop_duplicates", "usable_index"]


def drop_duplicates(instructions: Sequence[Instruction]) -> list[Instruction]:
    """The same instructions, those whose text an earlier active one has already switched off with the reason."""
    seen: dict[tuple[str, str], int] = {}
    result = []
    for arm in sorted(instructions, key=lambda arm: (arm.predictor, arm.index)):
        key = (arm.predictor, " ".join(arm.text.split()))
        if arm.active and key in seen:
            same = "the seed" if seen[key] == SEED_ARM else f"instruction {seen[key]}"
            arm = Instruction(
                arm.predictor, arm.index, arm.text, arm.author, arm.provenance, False, f"same text as {same}"
            )
        elif arm.active:
            seen[key] = arm.index
        result.append(arm)
    return result


def usable_index(arms: Mapping[int, Instruction], index: int) -> int | None:
    """The active arm with the text of instruction `index`: itself, or the one that it repeats. None: it failed."""
    arm = arms.get(index)
    if arm is None or arm.active:
        return None if arm is None else index
    words = arm.text.split()
    same = (other.index for other in arms.values() if other.active and other.text.split() == words)
    return next(same, None) if words else None
