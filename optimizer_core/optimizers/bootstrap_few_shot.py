"""BootstrapFewShot: the first training rows that pass become demos, and that is all (card 1; MIPRO section 3.1)."""

from dataclasses import replace

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View, Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.parameters.space import candidate_of
from mipro_studio.optimizer_core.proposers.bootstrap import SetPlan, plan_sets
from mipro_studio.optimizer_core.types import DEMOS, Arm, Candidate, Split

__all__ = ["BootstrapFewShot"]

THE_SET = 1


class BootstrapFewShot(Optimizer):
    """There is nothing to search; the one set is evaluated once, so that it can be compared with the baseline."""

    name = "bootstrap_few_shot"
    defaults = {"search": {"labels": "random"}}
    fixed = {"search": {"schedule": "full"}}
    reviewed = "the demo set"

    def work(self, config: RunConfig, n_free: int) -> Work:
        return Work(1, 0, False, config.search.max_bootstrapped)

    async def initialize(self, context: RunContext) -> None:
        settings = context.config.search
        plans = plan_sets(
            len(context.examples[Split.TRAIN]),
            3,
            settings.max_bootstrapped,
            settings.max_labeled,
            context.config.seed,
        )
        if plan := _unshuffled(plans):
            await context.bootstrapping.build_sets([replace(plan, index=THE_SET)], settings.max_labeled)

    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        built = [info.name for info in context.free if _usable(context.arms.demo_sets[info.name].get(THE_SET))]
        if view.number > 1 or not built:
            return None
        return candidate_of(context.arms.names, {(name, DEMOS): THE_SET for name in built})


def _usable(built: Arm | None) -> bool:
    """Not rejected by a person, and not empty: that would be the baseline again, at full price."""
    return built is not None and built.active and bool(built.demos)


def _unshuffled(plans: list[SetPlan]) -> SetPlan | None:
    """The set that walks the rows as they stand; labels only when no traces are wanted; None when no demos are."""
    by_kind = {plan.kind: plan for plan in reversed(plans)}
    return by_kind.get("unshuffled") or by_kind.get("labels_only")
