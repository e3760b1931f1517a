"""A run of the desk that is small enough to be repeated for every optimizer, and what to ask of it."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterable
from typing import Any

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.optimizers.registry import OPTIMIZERS
from mipro_studio.optimizer_core.optimizers.together.better_together import BetterTogether
from mipro_studio.optimizer_core.runs.assembly import assemble
from mipro_studio.optimizer_core.types import Candidate, Trial, TrialKind
from tests.arms import instructions_of, pairs
from tests.loopback import LoopbackConfig, LoopbackEndpoint
from tests.loopback.inprocess import InProcessEndpoint
from tests.loopback.promptformat import DspyPrompt, parse_prompt, render_reply
from tests.loopback.responders import Oracle
from tests.optimizer_core.builders import (
    ROOT,
    ROWS,
    Life,
    dspy_as_new,
    fresh_journal,
    live,
    make_config,
    make_examples,
    merge,
)
from tests.programs import desk

THREADS = 8
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


def killed(config: RunConfig, memory: MemoryJournal, commits: int = 0, cells: int = 0) -> None:
    """A life that is cut off in the middle: after so many commits and cells its event loop is dropped as it is.

    How many cells one commit has depends on how fast the machine is; how many a run has does not.
    """

    async def main() -> None:
        others = set(threading.enumerate())
        assembled = assemble(config, memory, ROOT)
        execution = asyncio.create_task(assembled.run.execute())
        while (memory.commits < commits or len(list(memory.cells())) < cells) and not execution.done():
            await asyncio.sleep(0)
        assembled.executor.close()
        execution.cancel()
        await asyncio.gather(execution, return_exceptions=True)
        own = (one for one in set(threading.enumerate()) - others if one.name.startswith("pool-"))
        for thread in own:
            thread.join(150)  # what they were doing arrives at the endpoint before anybody counts

    with dspy_as_new():
        asyncio.run(main())


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
    return [pairs(Candidate.parse(trial.candidate)) for trial in trials]


def asked(endpoint: LoopbackEndpoint) -> list[tuple[DspyPrompt, dict[str, Any]]]:
    """The requests for instructions in order of arrival (`keep_requests` must be on), with their bodies."""
    bodies = [entry["body"] for entry in endpoint.requests() if entry["model"] == "prompt"]
    parsed = ((parse_prompt(body["messages"]), body) for body in bodies)
    return [(prompt, body) for prompt, body in parsed if prompt and any(map(is_proposal, prompt.outputs))]


def is_proposal(field: str) -> bool:
    return field.startswith("proposed_instruction")


def history_of(prompt: DspyPrompt) -> list[tuple[str, float]]:
    """The history that a request shows, in its order."""
    text = prompt.inputs.get("previous_instructions", "")
    items = (item.rpartition("\nScore: ") for item in text.split("\n\n") if item)
    return [(words, float(score)) for words, _, score in items]


def texts(life: Life, predictor: str) -> dict[int, str]:
    """Instructions of a predictor by index."""
    return {arm.index: arm.text for arm in instructions_of(life.journal) if arm.owner == predictor}


def scripted(script: Callable[[DspyPrompt | None, list[dict[str, Any]]], str | None]) -> LoopbackEndpoint:
    """An endpoint whose replies are the script's, or the oracle's where it has none (None).

    All examples are of a fixed difficulty: an instruction that says `q=0.9` is right on nine of ten, and one that
    states more is right on the same ones and further ones.
    """
    oracle = Oracle(LoopbackConfig(responder="oracle", gold=desk.gold(ROWS), correlation=1.0))

    def respond(messages: list[dict[str, Any]], body: dict[str, Any]) -> str:
        written = script(parse_prompt(messages), messages)
        return oracle(messages, body) if written is None else written

    return InProcessEndpoint(responder=respond, keep_requests=True)


def climb(prompt: DspyPrompt | None, messages: list[dict[str, Any]]) -> str | None:
    """A proposer that goes a step beyond the LAST instruction of its history; without one it stays at the foot."""
    fields = [name for name in prompt.outputs if is_proposal(name)] if prompt else []
    if prompt is None or not fields:
        return None
    stated = re.findall(r"q=(\d\.\d+)", prompt.inputs.get("previous_instructions", "").split("\n\n")[-1])
    level = float(stated[0]) + STEP if stated else FOOT
    return render_reply(prompt, dict.fromkeys(fields, f"Look closely. q={level:.2f}"))


FOOT, STEP = 0.85, 0.03


def steps(count: int) -> list[str]:
    """The texts of `count` steps of the climber."""
    return [f"Look closely. q={FOOT + STEP * place:.2f}" for place in range(count)]


ALL = tuple(name for name, optimizer in OPTIMIZERS.items() if not issubclass(optimizer, BetterTogether))
