"""A run that starts from what an earlier one learned: its arms, and its winner first."""

from collections.abc import Sequence

from mipro_studio.optimizer_core.analysis.learned import WON, carried_arms
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.types import DEMOS, Arm, Candidate

__all__ = ["earlier_winner", "take_carried"]


async def take_carried(context: RunContext) -> bool:
    """Add the arms that the run is to start from; False where there are none."""
    config = context.config
    if not config.carried:
        return False
    free = [info.name for info in context.free]
    arms = carried_arms(config.carried, free, context.searches, config.search.candidates - 1)
    await context.add_arms([arm for arm in arms if arm.kind == DEMOS])
    await context.add_instructions([arm for arm in arms if arm.kind != DEMOS])
    return bool(arms)


def earlier_winner(context: RunContext) -> Candidate | None:
    """The candidate that won the earlier run, as far as its arms are here; None where there was none."""
    won: Sequence[Arm] = [arm for arm in context.arms.everything() if arm.provenance.get(WON) and arm.active]
    chosen = {(context.space.place(arm.owner), arm.kind): arm.index for arm in won}
    return Candidate.of(len(context.arms.names), chosen) if won else None
