"""GEPA: reflective evolution of instructions with a Pareto front (Agrawal et al. 2025), by `gepa` itself."""

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.optimizers.base import Optimizer, View, Work
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.evolution import MINIBATCH, Evolution
from mipro_studio.optimizer_core.types import Candidate, Event, EventKind, Split

__all__ = ["Gepa"]

FEEDBACK = (
    "Reflection is shown each row's score and labels, the error if there was one, and the metric's own feedback text "
    "where the metric gives one (a dspy.Prediction with score and feedback): about the predictor where the metric "
    "takes pred_name and pred_trace, else about the whole answer."
)


class Gepa(Optimizer):
    """The library decides, the studio does: cells are asked for through the evaluator and proposals become arms.

    Its full evaluations are the trials. Its evaluations on training minibatches are cells as well, and its budget is
    what the trials would cost in full: every cell it asks for counts, training ones too.
    """

    name = "gepa"
    drops = False
    reflects = True
    exhausted = (
        "GEPA's budget is spent: as many program runs as its trials and the baseline take in full. What it ran on "
        "training rows counted too."
    )
    fixed = {"search": {"schedule": "full", "lag": 1}}

    def __init__(self) -> None:
        self._evolution: Evolution | None = None  # replays itself from the journal in every life of a run

    def work(self, config: RunConfig, n_free: int) -> Work:
        # Training minibatches come out of the trials' cells; two of them, before and after, take one prompt call.
        return Work(config.search.trials, 0, False, 0, reflection_rows=2 * MINIBATCH)

    async def initialize(self, context: RunContext) -> None:
        await context.recorder.write(Event(EventKind.NOTE, {"text": FEEDBACK}))

    async def propose(self, context: RunContext, view: View) -> Candidate | None:
        if self._evolution is None:
            self._evolution = Evolution(
                context, (context.config.search.trials + 1) * len(context.examples[Split.VAL])
            )
        return await self._evolution.next_candidate()
