"""The parameters of a run by (owner, kind), read off its arms. Pure functions."""

from collections.abc import Iterable, Sequence

from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.types import PROGRAM, SEED_ARM, WHOLE, Arm, Candidate

__all__ = ["Slot", "arms_by_slot", "n_predictors", "slots_of"]

Slot = tuple[str, str]
"""(owner, kind)."""


def slots_of(arms: Iterable[Arm]) -> list[Slot]:
    """Predictors in program order, then the program as a whole; of each its kinds in the order of the registry."""
    kinds = list(KINDS)
    found = {(arm.owner, arm.kind) for arm in arms}
    owners = dict.fromkeys(arm.owner for arm in arms if arm.index == SEED_ARM)
    owners |= dict.fromkeys(owner for owner, _ in found if owner not in owners)
    ordered = [owner for owner in owners if owner != PROGRAM] + [PROGRAM] * (PROGRAM in owners)
    return [(owner, kind) for owner in ordered for kind in kinds if (owner, kind) in found]


def n_predictors(slots: Sequence[Slot]) -> int:
    return len({owner for owner, _ in slots if owner != PROGRAM})


def arms_by_slot(candidate: Candidate, slots: Sequence[Slot]) -> dict[Slot, int]:
    """The index of the arm that `candidate` has of every parameter; empty for one of another program."""
    owners = list(dict.fromkeys(owner for owner, _ in slots if owner != PROGRAM))
    if candidate.n_predictors != len(owners):
        return {}
    places = {PROGRAM: WHOLE} | {owner: place for place, owner in enumerate(owners)}
    return {(owner, kind): candidate.arm(places[owner], kind) for owner, kind in slots}
