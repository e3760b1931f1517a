"""BetterTogether (card 13; arXiv 2407.10930) and BootstrapFinetune (card 12), which is its strategy `w`."""

from collections.abc import Sequence

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning.trainers import trainer_choice
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View, Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.together.strategy import (
    PROMPTS,
    WEIGHTS,
    Step,
    label,
    parse_strategies,
    steps_of,
)
from mipro_studio.optimizer_core.optimizers.together.walk import Walk
from mipro_studio.optimizer_core.programs.program import PredictorInfo
from mipro_studio.optimizer_core.types import Candidate, Event, EventKind

__all__ = ["BetterTogether", "BootstrapFinetune"]


_SELF_TAUGHT = {"bootstrap": "program", "traces": "own", "labels": False, "demos": True}
_PAPER = {
    "finetune": {
        **_SELF_TAUGHT,
        "restart": True,
        "returns": "last",
        "epochs": 5,
        "learning_rate": 1e-5,
        "rank": 32,
        "alpha": 64.0,
        "projections": ("attn_q", "attn_k"),
    }
}
"""Section 3 and appendix of the paper. Whether its training prompts held demos is not said; DSPy's did by default."""

_DSPY = {"finetune": {**_SELF_TAUGHT, "restart": False, "returns": "best", "sets": 19}}
"""`dspy.BetterTogether()` in DSPy 3.4."""


class BetterTogether(Optimizer):
    """Steps of prompts (Bootstrap RS) and of weights in the order of `finetune.strategy`, or of several strategies.

    What every step ended with is on record, and scored on the sealed test, so that one run shows its strategies and
    all their prefixes beside each other.
    """

    name = "better_together"
    takes = ()
    drops = False
    defaults = {"search": {"labels": "random"}}
    fixed = {"search": {"schedule": "full", "lag": 1}}
    under_preset = {"paper": _PAPER, "light": _DSPY, "medium": _DSPY, "heavy": _DSPY}
    sets_trials = True
    reviews_later = True
    exhausted = "Every step of the strategy is through."

    def __init__(self) -> None:
        self._told = 0

    def strategies(self, config: RunConfig) -> tuple[str, ...]:
        """As paths, see `Step`; BadInput where one cannot be read."""
        return parse_strategies(config.finetune.strategy)

    def steps(self, config: RunConfig) -> tuple[Step, ...]:
        """The steps of all strategies in order."""
        return steps_of(self.strategies(config))

    def tunes(self, config: RunConfig) -> bool:
        return any(step.kind == WEIGHTS for step in self.steps(config))

    def check(self, config: RunConfig, free: Sequence[PredictorInfo]) -> None:
        kinds = {step.kind for step in self.steps(config)}
        if PROMPTS in kinds and not (config.search.max_bootstrapped or config.search.max_labeled):
            raise BadInput(
                "A step of prompts compares demo sets, and the settings allow no demos at all.",
                "Set max_bootstrapped or max_labeled to 1 or more.",
            )
        if WEIGHTS in kinds:
            trainer_choice(config)

    def work(self, config: RunConfig, n_free: int) -> Work:
        steps = self.steps(config)
        trials = sum(1 if step.kind == WEIGHTS else config.finetune.sets for step in steps)
        weights = sum(step.kind == WEIGHTS for step in steps)
        if config.finetune.owner == "predictor":
            weights *= n_free
        taught = [_taught(step, config.finetune.bootstrap) for step in steps]
        traces = len(steps) - sum(taught)
        return Work(trials, 0, False, int(any(taught)), traces=traces, tunings=weights, tested=1 + len(steps))

    async def initialize(self, context: RunContext) -> None:
        """Nothing is made before the step that needs it."""

    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        tried = {*view.exhausted, *(seen.candidate.id for seen in view.observed)}
        walk = Walk(context, self.steps(context.config), tried)
        proposed = await walk.next()
        if len(walk.reached()) > self._told:  # on record whenever a step is through
            self._told = len(walk.reached())
            told = [{"strategy": one.strategy, "candidate": one.candidate.id} for one in walk.reached()]
            await context.recorder.write(Event(EventKind.PREFIXES, {"prefixes": told}))
        return proposed

    def reached(self, context: RunContext) -> list[tuple[str, Candidate]]:
        walk = Walk(context, self.steps(context.config))
        return [(one.strategy, one.candidate) for one in walk.reached()]

    def final(self, context: RunContext) -> Candidate | None:
        if context.config.finetune.returns == "best":
            return None
        main = self.strategies(context.config)[0]
        ended = dict(self.reached(context))  # a run that ends early has not come to its last step
        return next(ended[one] for end in range(len(main), -1, -1) if (one := label(main[:end])) in ended)


def _taught(step: Step, bootstrap: str) -> bool:
    """Whether the teacher answers the training rows of a step, and not the task model."""
    first = not step.before
    if step.kind == PROMPTS:
        return first
    return bootstrap == "teacher" or (bootstrap == "auto" and first)


class BootstrapFinetune(BetterTogether):
    """The task model's weights are tuned once, on traces that pass the metric."""

    name = "bootstrap_finetune"
    reviewed = ""

    def strategies(self, config: RunConfig) -> tuple[str, ...]:
        return (WEIGHTS,)
