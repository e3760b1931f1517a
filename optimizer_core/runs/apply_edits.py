"""Taking up what a person asked of the arms, between trials, in the order asked.

A change is settled in the transaction that writes its arms, so it is in force once and for ever: a resumed run finds
the arms in the journal and decides with them as the life before did. Every arm that a person asked for gets one
trial of its own, also where the optimizer would never come to it.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.evaluation.attempts import best_attempts
from mipro_studio.optimizer_core.finetuning.row_edits import changed_rows
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.parameters.duplicates import drop_duplicates
from mipro_studio.optimizer_core.parameters.edits import CHANGE, asked_for, changed_arms, next_index
from mipro_studio.optimizer_core.programs.program import PredictorInfo
from mipro_studio.optimizer_core.types import (
    TEACHER,
    Arm,
    Candidate,
    Cell,
    Change,
    ChangeKind,
    Event,
    EventKind,
    Settled,
)

__all__ = ["apply_changes", "first_tries", "with_untried"]


async def apply_changes(context: RunContext, order: int) -> None:
    """Carry out or refuse every change that waits; what comes of it holds from trial `order` on.

    Raises:
        BudgetReached, RunPaused, StopRequested: a request for more could not be answered; it waits on.
    """
    for change in context.journal.changes():
        arms: Sequence[Arm] = ()
        refused = ""
        try:
            if change.kind is ChangeKind.ROWS:
                await context.note_tuning(changed_rows(change.payload, context.tunings))
            else:
                arms = await _arms(context, change)
        except BadInput as refusal:
            refused = str(refusal)
        settled = Settled(change.id, order, tuple(arm.index for arm in arms), refused)
        await context.recorder.write(*arms, settled, _event(change, settled))
        for arm in arms:
            context.arms.add(arm)


async def _arms(context: RunContext, change: Change) -> Sequence[Arm]:
    if change.kind is ChangeKind.ASK:
        return await _asked(context, change)

    def trace_of(row: str) -> Cell | None:
        runs = [cell for cell in context.table.cells() if (cell.key.candidate, cell.key.example) == (TEACHER, row)]
        return next(iter(best_attempts(runs)), None)

    return changed_arms(change, context.editable, trace_of)


async def _asked(context: RunContext, change: Change) -> Sequence[Arm]:
    """Further instructions by the prompt model, with the person's hint in the request."""
    name, hint, count = asked_for(change.payload, context.editable)
    info = next(info for info in context.program.predictors if info.name == name)
    first = next_index(context.arms.instructions[name])
    await context.grounding()
    written = await asyncio.gather(*(_write(context, change, info, first + n, hint) for n in range(count)))
    judged = [context.program.without_losses(arm) for arm in written]
    good = [arm for arm in judged if arm.active]
    if not good:
        raise BadInput(f"The prompt model wrote nothing usable: {judged[0].reason}.", "Ask again.")
    # Numbered without the gaps that failed calls leave.
    numbered = [replace(arm, index=first + n) for n, arm in enumerate(good)]
    known = context.arms.instructions[name].values()
    return [arm for arm in drop_duplicates([*known, *numbered]) if arm.index >= first]


async def _write(context: RunContext, change: Change, info: PredictorInfo, index: int, hint: str) -> Arm:
    proposer = context.proposer
    recipe = replace(proposer.recipe(info.name, index), hint=hint)
    sets = list(context.arms.demo_sets[info.name].values())
    shown = proposer.shown(info, await context.grounding(), sets, (), recipe)
    arm = await proposer.write(f"{CHANGE}/{change.id}/{index}", info, index, shown, recipe)
    return replace(arm, provenance={**arm.provenance, CHANGE: change.id, "hint": hint})


def _event(change: Change, settled: Settled) -> Event:
    told = {"what": change.kind.value, "predictor": change.payload.get("predictor", ""), "order": settled.order}
    return Event(EventKind.CHANGE, {**told, "arms": list(settled.arms), "refused": settled.refused})


def with_untried(arms: Arms, tried: Iterable[Candidate], leader: Candidate) -> Candidate | None:
    """`leader` with the first asked-for arm that none of `tried` has; None when all were tried."""
    known = {_slot(arm) for candidate in tried for arm in arms.chosen(candidate)}
    kinds = list(arms.by_kind)
    waiting = [
        (arm.provenance[CHANGE], arms.place(arm.owner), kinds.index(arm.kind), arm.index, arm.kind)
        for arm in arms.everything()
        if arm.active and CHANGE in arm.provenance and _slot(arm) not in known
    ]
    if not waiting:
        return None
    _, place, _, index, kind = min(waiting)
    return leader.having({(place, kind): index})


def first_tries(arms: Arms, tried: Iterable[Candidate]) -> int:
    """How many of the trials `tried`, in order, were the first with an asked-for arm: no optimizer suggested them."""
    known: set[tuple[str, str, int]] = set()
    count = 0
    for candidate in tried:
        new = [arm for arm in arms.chosen(candidate) if _slot(arm) not in known]
        count += any(CHANGE in arm.provenance for arm in new)
        known |= {_slot(arm) for arm in new}
    return count


def _slot(arm: Arm) -> tuple[str, str, int]:
    return (arm.owner, arm.kind, arm.index)
