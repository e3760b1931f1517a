"""What an optimizer works with: the parts of its run, and the ways to have demo sets and instructions made."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

from mipro_studio.optimizer_core.optimizers.bootstrapping import Bootstrapping
from mipro_studio.optimizer_core.optimizers.run_parts import RunParts
from mipro_studio.optimizer_core.parameters.duplicates import drop_duplicates, usable_index
from mipro_studio.optimizer_core.programs.program import PredictorInfo
from mipro_studio.optimizer_core.proposers.proposer import Recipe, SharedContext
from mipro_studio.optimizer_core.types import Arm, Phase, Split

__all__ = ["RunContext"]


@dataclass(eq=False)
class RunContext(RunParts):
    """The parts of a run, put together by `optimizer_core.runs.assembly`, and what proposes arms for it."""

    _grounding: SharedContext | None = field(default=None, init=False)

    @cached_property
    def bootstrapping(self) -> Bootstrapping:
        """Runs the teacher and builds demo sets."""
        return Bootstrapping(self)

    async def grounding(self) -> SharedContext:
        """What all proposals are shown, made once; needs no demo sets, so it is made while they are bootstrapped."""
        if self._grounding is None:
            self._grounding = await self.proposer.shared_context(self.program, self.examples[Split.TRAIN])
        return self._grounding

    async def propose(self, n_instructions: int, grounding: SharedContext) -> None:
        """Write instructions 1..n-1 for every predictor that is not frozen, all at once."""
        infos = self.free
        wanted = [(info, index) for info in infos for index in range(1, n_instructions)]
        await self.announce(Phase.PROPOSE, 0, len(wanted))
        sets = {name: list(of_name.values()) for name, of_name in self.arms.demo_sets.items()}
        proposals = await asyncio.gather(
            *(self.proposer.propose(info, index, grounding, sets[info.name]) for info, index in wanted)
        )
        await self.add_instructions(proposals)

    async def propose_more(
        self,
        wanted: Sequence[tuple[PredictorInfo, int]],
        histories: Mapping[str, Sequence[tuple[str, float]]] = MappingProxyType({}),
        recipes: Mapping[str, Recipe] = MappingProxyType({}),
        facts: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Write the instructions `wanted` that are not there yet, as optimizers do that propose in rounds.

        The prompt calls are keyed by predictor and index, so a resumed run repeats none.

        Args:
            wanted: Predictor and arm index.
            histories: By predictor, worst first.
            recipes: By predictor, where a request differs from the run's settings.
            facts: Further facts for the provenance of these arms, such as the round they belong to.
        """
        grounding = await self.grounding()
        proposals = await asyncio.gather(
            *(
                self.proposer.propose(
                    info,
                    index,
                    grounding,
                    list(self.arms.demo_sets[info.name].values()),
                    histories.get(info.name, ()),
                    recipes.get(info.name),
                )
                for info, index in wanted
                if index not in self.arms.instructions[info.name]
            )
        )
        await self.add_instructions([replace(arm, provenance={**arm.provenance, **facts}) for arm in proposals])

    async def add_instructions(self, proposals: Sequence[Arm]) -> None:
        """Add proposals as arms.

        One that repeats an arm's text, or that the program cannot work with, is kept inactive, with the reason.
        """
        await self.add_proposals([self.program.without_losses(arm) for arm in proposals])

    async def add_proposals(self, proposals: Sequence[Arm]) -> None:
        """Add proposals as arms; one that says what another arm says is kept inactive."""
        await self.add_arms(self._judged(proposals))

    async def add_made(self, instructions: Sequence[Arm], sets: Sequence[Arm]) -> None:
        """Add arms that the search made, all in one commit, instructions judged as in `add_instructions`."""
        judged = self._judged([self.program.without_losses(arm) for arm in instructions])
        await self.add_arms([*judged, *sets])

    def _judged(self, proposals: Sequence[Arm]) -> list[Arm]:
        kinds = {arm.kind for arm in proposals}
        known = [arm for arm in self.arms.everything() if arm.kind in kinds]
        taken = {(arm.owner, arm.kind, arm.index) for arm in known}
        judged = drop_duplicates([*known, *proposals])
        return [arm for arm in judged if (arm.owner, arm.kind, arm.index) not in taken]

    def usable(self, predictor: str, index: int) -> int | None:
        """The active arm with the text of instruction `index`: itself, or the one it repeats. None: it failed."""
        return usable_index(self.arms.instructions[predictor], index)
