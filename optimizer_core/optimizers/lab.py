"""The proposer lab: the same data and seed, several settings of the proposer's switches, and nothing searched."""

import asyncio
from dataclasses import replace
from typing import Any, ClassVar

from mipro_studio.optimizer_core.config import RunConfig, Variant
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View, Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.zero_shot_mipro import GROUNDING_DEMOS
from mipro_studio.optimizer_core.proposers.proposer import Recipe
from mipro_studio.optimizer_core.types import SEED_ARM, Arm, Candidate, Event, EventKind, Phase

__all__ = ["Lab"]

SHOWN_SET = 1
"""All variants that show demos show those of this set, so that they differ in their switches alone."""


class Lab(Optimizer):
    """Writes `samples` instructions a predictor under every variant of `RunConfig.lab`, and ends.

    Instruction 1 + variant * samples + sample carries its variant's name in `provenance["variant"]`.
    """

    name = "lab"
    searches: ClassVar[tuple[str, ...]] = ("instruction",)
    fixed = {"search": {"trials": 0}}
    evaluates = False

    def work(self, config: RunConfig, n_free: int) -> Work:
        lab = config.lab
        shown = GROUNDING_DEMOS if _shows_demos(config) else 0
        return Work(0, len(lab.variants) * lab.samples * n_free, True, shown)

    async def initialize(self, context: RunContext) -> None:
        lab = context.config.lab
        demos = (
            context.bootstrapping.build(SHOWN_SET + 1, GROUNDING_DEMOS, 0)
            if _shows_demos(context.config)
            else asyncio.sleep(0)
        )
        await asyncio.gather(demos, context.grounding())
        wanted = [
            (info, variant, 1 + place * lab.samples + sample)
            for place, variant in enumerate(lab.variants)
            for sample in range(lab.samples)
            for info in context.free
            if 1 + place * lab.samples + sample not in context.arms.instructions[info.name]
        ]
        await context.announce(Phase.PROPOSE, 0, len(wanted))
        tasks = [asyncio.create_task(_write(context, *one)) for one in wanted]
        try:
            # In order, so that which of two equal texts counts as the repetition does not depend on timing.
            for done, task in enumerate(tasks, start=1):
                await context.add_instructions([await task])
                progress: dict[str, Any] = {"phase": Phase.PROPOSE.value, "done": done, "total": len(tasks)}
                await context.recorder.write(Event(EventKind.PROGRESS, progress))
        finally:
            for task in tasks:
                task.add_done_callback(lambda one: one.cancelled() or one.exception())

    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        return None


async def _write(context: RunContext, info: Any, variant: Variant, index: int) -> Arm:
    recipe = Recipe(
        variant.tip,
        variant.temperature,
        SHOWN_SET if variant.demos else SEED_ARM,
        neighbours=False,
        dataset_summary=variant.dataset_summary,
        program_summary=variant.program_summary,
        demos=variant.demos,
    )
    sets = list(context.arms.demo_sets[info.name].values())
    arm = await context.proposer.propose(info, index, await context.grounding(), sets, (), recipe)
    return replace(arm, provenance={**arm.provenance, "variant": variant.name})


def _shows_demos(config: RunConfig) -> bool:
    return config.proposer.demos and any(variant.demos for variant in config.lab.variants)
