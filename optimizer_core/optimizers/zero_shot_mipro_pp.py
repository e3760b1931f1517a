"""0-Shot MIPRO++ (card 10; MIPRO section 4.4): learn how to ask the proposer, not which instruction to take."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from optuna.distributions import BaseDistribution

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View, Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.rounds import candidate_of_round, round_index
from mipro_studio.optimizer_core.optimizers.switches import (
    recipes,
    suggest,
    switch_importance,
    switch_rows,
)
from mipro_studio.optimizer_core.optimizers.zero_shot_mipro import GROUNDING_DEMOS, bootstrap_for_proposer
from mipro_studio.optimizer_core.proposers.switch_variables import SwitchRow, switch_space
from mipro_studio.optimizer_core.types import DEMOS, Arm, Candidate, Json

__all__ = ["ZeroShotMiproPlus", "free_sets"]


class ZeroShotMiproPlus(Optimizer):
    """Each trial: values for the switches, a fresh instruction for each free predictor written that way, one
    minibatch, and the score is told to TPE as the score of the switches. `switch_rows` reads them back.
    """

    name = "zero_shot_mipro_pp"
    defaults = {"search": {"schedule": "minibatch"}, "proposer": {"temperature": 0.7}}

    def work(self, config: RunConfig, n_free: int) -> Work:
        shown = GROUNDING_DEMOS if config.proposer.demos else 0
        return Work(config.search.trials, config.search.trials * n_free, True, shown)

    async def initialize(self, context: RunContext) -> None:
        await asyncio.gather(bootstrap_for_proposer(context), context.grounding())

    def variables(self, context: RunContext) -> dict[str, BaseDistribution]:
        """What is searched."""
        return switch_space(context.config.proposer, free_sets(context))

    async def base(self, context: RunContext, values: Mapping[str, Any]) -> Candidate:
        """The candidate whose instructions are replaced by the new ones."""
        return context.baseline

    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        index = round_index(context, view.number)
        rows = {row.number: row for row in switch_rows(context.arms)}
        if view.number in rows:  # a killed run had written the arms, but not the trial
            values = rows[view.number].values
        else:
            values = suggest(self.variables(context), _past(view, rows.values()), view.seed)
        base = await self.base(context, values)
        sets = [base.arm(place, DEMOS) for place in range(base.n_predictors)]
        facts = {"round": view.number, "values": values, "demo_sets": sets}
        await context.propose_more(
            [(info, index) for info in context.free], recipes=recipes(context, values), facts=facts
        )
        return candidate_of_round(context, base, index)

    def importance(self, context: RunContext, scores: Mapping[str, Mapping[str, float]]) -> list[Json]:
        """Of the switches: an instruction is written once and used once, so it is no parameter here."""
        return switch_importance(scores, context.arms, context.config.seed)


def _past(view: View, rows: Iterable[SwitchRow]) -> list[tuple[Mapping[str, Any], float | None]]:
    """(values, score) as MIPRO tells TPE: each minibatch's mean, each full evaluation as one trial more; None where
    the trial is under way."""
    values = {row.candidate: row.values for row in rows if row.candidate}
    told: list[tuple[Mapping[str, Any], float | None]] = [
        (values[seen.candidate.id], seen.told) for seen in view.observed if seen.candidate.id in values
    ]
    return told + [(values[candidate.id], None) for candidate in view.pending if candidate.id in values]


def free_sets(context: RunContext) -> dict[str, Mapping[int, Arm]]:
    """The demo sets of the predictors that are not frozen."""
    return {info.name: context.arms.demo_sets[info.name] for info in context.free}
