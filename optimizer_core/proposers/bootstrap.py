"""Demo sets from a teacher's traces (MIPRO section 3.1 and F.1; set names as DSPy builds them, card 11).

The teacher runs on a training row at most once in a run: all sets draw from the same traces, and each trace is kept
in the score table with its score, whether or not it became a demo. What labels give is in `labels`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mipro_studio.optimizer_core.config import SearchSettings
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.proposers.labels import labeled_demos, spread_answers
from mipro_studio.optimizer_core.seeds import generator
from mipro_studio.optimizer_core.types import SEED_ARM, Arm, Cell, Demo, Example

__all__ = ["Bootstrapper", "SetPlan", "TeacherRun", "plan_sets", "trace_fates"]

TeacherRun = Callable[[Example], Awaitable[Cell]]
LOOK_AHEAD = 2
"""Rows tried at once for each demo that a set still lacks. Fixed, so that the rows run do not depend on timing."""


@dataclass(frozen=True)
class SetPlan:
    """One demo set to build: its `kind`, the order in which it walks the rows, and how many traces it wants.

    Attributes:
        most: Demos that it is filled up to with labelled rows; None = the settings' `max_labeled`.
    """

    index: int
    kind: str
    order: tuple[int, ...]
    n_bootstrapped: int
    most: int | None = None

    def filled_to(self, settings: SearchSettings) -> int:
        """Most demos of the set, under the run's settings."""
        return settings.max_labeled if self.most is None else self.most


def plan_sets(
    n_rows: int, n_sets: int, max_bootstrapped: int, max_labeled: int, seed: int, alternate: bool = False
) -> list[SetPlan]:
    """Set 0 is empty, set 1 labels only, set 2 walks the rows as they stand, the rest shuffled, of random size.

    DSPy's order (seeds -3, -2, -1, 0...). Labels-only is left out when labelled demos are switched off, and the
    bootstrapped ones when those are.

    Args:
        alternate: Every other set, 1, 3, 5 and so on, is labels only.
    """
    plans = [SetPlan(SEED_ARM, "zero_shot", (), 0)]
    straight = tuple(range(n_rows))
    if max_labeled:
        plans.append(SetPlan(1, "labels_only", _shuffled(n_rows, seed, 1), 0))
    while len(plans) < n_sets and (max_bootstrapped or max_labeled):
        index = len(plans)
        if not max_bootstrapped or (alternate and max_labeled and index % 2):
            plans.append(SetPlan(index, "labels_only", _shuffled(n_rows, seed, index), 0))
        elif not any(plan.kind == "unshuffled" for plan in plans):
            plans.append(SetPlan(index, "unshuffled", straight, max_bootstrapped))
        else:
            size = generator(seed, "bootstrap", "size", index).randint(1, max_bootstrapped)
            plans.append(SetPlan(index, "shuffled", _shuffled(n_rows, seed, index), size))
    return plans[:n_sets]


def _shuffled(n_rows: int, seed: int, index: int) -> tuple[int, ...]:
    order = list(range(n_rows))
    generator(seed, "bootstrap", "order", index).shuffle(order)
    return tuple(order)


class Bootstrapper:
    """Builds demo sets.

    Args:
        predictors: {name: (inputs, outputs)}.
        rows: Training rows in order.
        run_teacher: Runs the teacher on a row, or finds that it did; the cell holds the trace.
        settings: Its `threshold` decides which traces may become demos, `max_labeled` to how many demos sets are
            filled up with labelled rows, `labels` with which ones.
        seed: The run's.
    """

    def __init__(
        self,
        predictors: Mapping[str, tuple[Sequence[str], Sequence[str]]],
        rows: Sequence[Example],
        run_teacher: TeacherRun,
        settings: SearchSettings,
        seed: int,
    ) -> None:
        self._predictors = predictors
        self._rows = rows
        self._run_teacher = run_teacher
        self._settings = settings
        self._seed = seed

    async def build(self, plan: SetPlan) -> list[Arm]:
        """One demo set a predictor. The rows run depend on the plan and the scores only, not on who answers first."""
        kept: list[Cell] = []
        position = 0
        while len(kept) < plan.n_bootstrapped and position < len(plan.order):
            lacking = plan.n_bootstrapped - len(kept)
            chunk = plan.order[position : position + LOOK_AHEAD * lacking]
            position += len(chunk)
            cells = await asyncio.gather(*(self._run_teacher(self._rows[i]) for i in chunk))
            kept += [cell for cell in cells if self.passes(cell)]
        return self.finish(plan, kept[: plan.n_bootstrapped])

    def passes(self, cell: Cell) -> bool:
        return cell.score is not None and cell.score >= self._settings.threshold

    def finish(self, plan: SetPlan, kept: Sequence[Cell]) -> list[Arm]:
        """The sets of `plan`, one a predictor: the traces of `kept`, filled up with labelled rows."""
        used = {cell.key.example for cell in kept}
        spare = [self._rows[i] for i in plan.order if self._rows[i].id not in used]
        sets = []
        for name, (inputs, outputs) in self._predictors.items():
            demos = [demo for cell in kept for demo in self.traced(name, cell)]
            room = max(0, plan.filled_to(self._settings) - len(demos)) if plan.order else 0
            rows = spread_answers(spare, outputs, room, demos) if self._settings.labels == "spread" else spare[:room]
            demos += labeled_demos(rows, inputs, outputs)
            sets.append(demos_arm(name, plan.index, plan.kind, tuple(demos)))
        return sets

    def traced(self, predictor: str, cell: Cell) -> list[Demo]:
        """The predictor's call in the trace; of several, the last one half the time, else an earlier one (DSPy)."""
        steps = [step for step in cell.trace if step.predictor == predictor]
        if not steps:
            return []
        rng = generator(self._seed, "bootstrap", "call", predictor, cell.key.example)
        step = steps[-1] if len(steps) == 1 or rng.random() < 0.5 else rng.choice(steps[:-1])
        fields: dict[str, Any] = {**step.inputs, **step.outputs}
        return [Demo(fields, augmented=True, example_id=cell.key.example)]


def trace_fates(cells: Sequence[Cell], sets: Sequence[Arm], threshold: float) -> list[dict[str, Any]]:
    """What became of every teacher trace: {example, score, kept, sets, reason}, in the order of `cells`."""
    homes: dict[str, set[int]] = {}
    for demo_set in sets:
        for demo in demo_set.demos:
            if demo.augmented:
                homes.setdefault(demo.example_id, set()).add(demo_set.index)
    fates = []
    for cell in cells:
        where = sorted(homes.get(cell.key.example, ()))
        if cell.error is not None:
            reason = f"no score: {cell.error.value}"
        elif cell.score is not None and cell.score < threshold:
            reason = f"score {cell.score:g} is below the threshold {threshold:g}"
        elif where:
            reason = "kept"
        else:
            reason = "good, but the sets that came to it were full"
        fates.append(
            {"example": cell.key.example, "score": cell.score, "kept": bool(where), "sets": where, "reason": reason}
        )
    return fates
