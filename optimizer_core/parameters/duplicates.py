"""Arms that say the same: of equals the first is an arm, and the others say which it is."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mipro_studio.optimizer_core.parameters.registry import KINDS, title
from mipro_studio.optimizer_core.types import SEED_ARM, Arm

__all__ = ["drop_duplicates", "usable_index"]


def _words(arm: Arm) -> str:
    """What the arm says, whatever its line breaks."""
    return " ".join(KINDS[arm.kind].describe(arm).split())


def drop_duplicates(arms: Sequence[Arm]) -> list[Arm]:
    """The same arms, those that say what an earlier active one has already switched off with the reason."""
    seen: dict[tuple[str, str, str], int] = {}
    result = []
    for arm in sorted(arms, key=lambda arm: (arm.owner, arm.index)):
        key = (arm.owner, arm.kind, _words(arm))
        if arm.active and key in seen:
            same = "the seed" if seen[key] == SEED_ARM else f"{title(arm.kind)} {seen[key]}"
            arm = replace(arm, active=False, reason=f"same text as {same}")
        elif arm.active:
            seen[key] = arm.index
        result.append(arm)
    return result


def usable_index(arms: Mapping[int, Arm], index: int) -> int | None:
    """The active arm that says what arm `index` says: itself, or the one that it repeats. None: it failed."""
    arm = arms.get(index)
    if arm is None or arm.active:
        return None if arm is None else index
    words = _words(arm)
    same = (other.index for other in arms.values() if other.active and _words(other) == words)
    return next(same, None) if words else None
