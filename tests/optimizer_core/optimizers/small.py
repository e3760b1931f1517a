"""A run of the desk that is small enough to be repeated for every optimizer, and what to ask of it."""

import asyncio
import sys
from collections.abc import Iterable
from typing import Any

import dspy

from optimizer_core.assembly import assemble
from optimizer_core.config import RunConfig
from optimizer_core.journal import MemoryJournal
from optimizer_core.optimizers import OPTIMIZERS
from optimizer_core.types import Candidate, Trial, TrialKind
from tests.loopback import LoopbackEndpoint
from tests.optimizer_core.builders import ROOT, Life, fresh_journal, live, make_config, make_examples, merge

THREADS = 4
SIZES = {"train": 12, "val": 16, "test": 8}
SEARCH = {"candidates": 4, "trials": 5, "minibatch_size": 6, "full_eval_every": 2, "max_bootstrapped": 2, "step": 6}
LOWEST = {"threshold": 0.5, "max_labeled": 2, "breadth": 2, "depth": 2}


def settings(endpoint: LoopbackEndpoint, optimizer: str, **changes: Any) -> RunConfig:
    """Every optimizer runs on it; `opro` because one of the two predictors is frozen."""
    frozen = {"search": {"freeze": ["tone"]}} if optimizer == "opro" else {}
    small = {
        "optimizer": optimizer,
        "threads": THREADS,
        "search": {**SEARCH, **LOWEST},
        "proposer": {"view_data_batch_size": 6},
    }
    return make_config(endpoint, **merge(merge(small, frozen), changes))


def journal() -> MemoryJournal:
    return fresh_journal(make_examples(**SIZES))


def run(endpoint: LoopbackEndpoint, optimizer: str, **changes: Any) -> Life:
    return live(settings(endpoint, optimizer, **changes), journal())


def killed(config: RunConfig, memory: MemoryJournal, commits: int) -> None:
    """A life that is cut off in the middle: after `commits` commits its event loop is dropped as it is."""

    async def main() -> None:
        assembled = assemble(config, memory, ROOT)
        execution = asyncio.create_task(assembled.run.execute())
        while memory.commits < commits and not execution.done():
            await asyncio.sleep(0)
        assembled.pool.close()
        execution.cancel()
        await asyncio.gather(execution, return_exceptions=True)

    settings_of_dspy = sys.modules["dspy.dsp.utils.settings"]
    settings_of_dspy.config_owner_async_task = None  # type: ignore[attr-defined]
    try:
        asyncio.run(main())
    finally:
        settings_of_dspy.config_owner_async_task = None  # type: ignore[attr-defined]
        dspy.configure(lm=None, adapter=None)


def suggested(life: Life) -> list[Trial]:
    """The trials that the optimizer asked for, in order, without the baseline and repeated full evaluations."""
    seen: set[int] = set()
    found = []
    for trial in life.trials:
        if trial.kind is not TrialKind.BASELINE and trial.number not in seen:
            seen.add(trial.number)
            found.append(trial)
    return found


def choices(trials: Iterable[Trial]) -> list[tuple[tuple[int, int], ...]]:
    return [Candidate.parse(trial.candidate).choices for trial in trials]


def proposals(requests: list[dict[str, Any]]) -> list[str]:
    """Texts of the requests that asked for an instruction, in order of arrival."""
    texts = ["\n".join(str(message["content"]) for message in request["messages"]) for request in requests]
    return [text for text in texts if "proposed_instruction" in text]


ALL = tuple(OPTIMIZERS)
