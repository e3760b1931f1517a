"""What each part of a run's winner brings: the winner is scored without it, on the whole validation set."""

import asyncio

from mipro_studio.optimizer_core.evaluation.executor import Executor
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.registry import Optimizer
from mipro_studio.optimizer_core.runs.run import Ending, Run
from mipro_studio.optimizer_core.types import Candidate, Phase, Split, Status

__all__ = ["Ablation"]

PRIORITY = 1_000_000


class Ablation(Run):
    """A further life of a run that is completed. What the run came to stays as it is.

    The calls are counted as those of the sealed test are, under no cap. So are the program runs where the cap on them
    was raised by what they take, as whoever asks for an ablation of a run does.

    Args:
        completed: How the run ended before.
    """

    def __init__(self, context: RunContext, optimizer: Optimizer, executor: Executor, completed: Ending) -> None:
        super().__init__(context, optimizer, executor)
        self._completed = completed

    async def _optimize(self) -> Ending:
        context = self._context
        context.restore()
        outcome = context.journal.outcome()
        assert outcome is not None and outcome.winner is not None
        winner = Candidate.parse(outcome.winner)
        context.meter.open_for_test()
        trials = max((trial.number for trial in context.journal.trials()), default=0)
        await context.announce(Phase.SEARCH, trials, trials, note="the winner without each of its parts")
        val = context.examples[Split.VAL]
        without = winner.without_each().values()
        await asyncio.gather(*(context.evaluate(one, val, PRIORITY, sealed=True) for one in without))
        await context.announce(Phase.DONE, note=outcome.reason)
        return self._completed

    async def _conclude(self, ending: Ending) -> Ending:
        if ending.status is not Status.STOPPED:
            return ending
        return self._completed  # what was asked beside the run was given up, and not the run
