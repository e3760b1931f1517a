"""What the tests of the core are made from: rows, cells, and whole runs in memory against the loopback endpoint."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy

from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.data import example_id
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.models.lms import build_lm
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.runs.assembly import Assembled, Past, assemble
from mipro_studio.optimizer_core.runs.run import Ending
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, Role, Split, Trial
from tests.loopback import LoopbackEndpoint
from tests.programs import desk

ROOT = Path(__file__).resolve().parents[2]
DESK = "tests/programs/desk.py"
MORE = "tests/programs/more.py"
ROWS = desk.rows(60)
SMALL = {"train": 20, "val": 24, "test": 12}


def make_examples(train: int, val: int, test: int = 0) -> list[Example]:
    """The first rows of the desk, dealt to the splits in order."""
    splits = [Split.TRAIN] * train + [Split.VAL] * val + [Split.TEST] * test
    made: list[Example] = []
    for row, split in zip(ROWS, splits, strict=False):
        inputs, labels = {"message": row["message"]}, {"queue": row["queue"], "tone": row["tone"]}
        position = sum(other.split is split for other in made)
        made.append(Example(example_id(inputs, labels), split, position, inputs, labels))
    assert len(made) == train + val + test
    return made


def scored(candidate: str, example: str, score: float, split: Split = Split.VAL, **more: Any) -> Cell:
    return Cell(CellKey(candidate, split, example), score, **more)


def failed(candidate: str, example: str, error: ErrorClass = ErrorClass.SERVER, split: Split = Split.VAL) -> Cell:
    return Cell(CellKey(candidate, split, example), None, error, "it failed")


def merge(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(first)
    for name, value in second.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(name), Mapping)
        merged[name] = merge(merged[name], value) if both else value
    return merged


def make_config(endpoint: LoopbackEndpoint | None = None, **changes: Any) -> RunConfig:
    """A small run of the desk; roles are told apart at the endpoint by their model's name."""
    base = endpoint.base_url if endpoint else "http://127.0.0.1:9/v1"
    model = {"api_base": base, "timeout_s": 20.0}
    small = {
        "program": DESK,
        "threads": 16,
        "task_model": {"model": "openai/task", **model},
        "prompt_model": {"model": "openai/prompt", **model},
        "teacher": {"model": "openai/teacher", **model},
        "search": {"candidates": 4, "trials": 6, "minibatch_size": 8, "full_eval_every": 3, "max_bootstrapped": 2},
    }
    return parse_config(merge(small, changes))


@dataclass
class Life:
    """What one life of a run came to."""

    ending: Ending
    journal: MemoryJournal
    context: RunContext

    @property
    def scores(self) -> dict[CellKey, float | None]:
        return {cell.key: cell.score for cell in self.journal.cells()}

    @property
    def trials(self) -> list[Trial]:
        return sorted(self.journal.trials(), key=lambda trial: trial.order)

    @property
    def winner(self) -> str | None:
        outcome = self.journal.outcome()
        return outcome.winner if outcome else None

    @property
    def decisions(self) -> dict[str, Any]:
        """All that must not depend on threads and timing."""
        return {
            "trials": self.trials,
            "scores": self.scores,
            "winner": self.winner,
            "arms": {(arm.owner, arm.kind, arm.index): arm.content for arm in self.journal.arms()},
            "prompts": {call.key: call.reply for call in self.journal.prompt_calls()},
        }


def fresh_journal(examples: Sequence[Example] | None = None) -> MemoryJournal:
    journal = MemoryJournal()
    journal.commit(list(examples if examples is not None else make_examples(**SMALL)))
    return journal


def live(
    config: RunConfig,
    journal: MemoryJournal | None = None,
    *,
    approved: bool | int = True,
    failed_before: bool = False,
    completed: Ending | None = None,
    base: Path = ROOT,
    meanwhile: Callable[[Assembled], Coroutine[Any, Any, None]] | None = None,
) -> Life:
    """One life of a run, to its end; `meanwhile` runs beside it. `approved`: how many times a person said go."""
    memory = journal if journal is not None else fresh_journal()
    again = frozenset(cell.key for cell in memory.cells() if failed_before and cell.error is not None)

    lived: list[Life] = []

    async def main() -> None:  # asyncio.run writes out what its task returns, which takes as long as some rows
        assembled = assemble(
            config,
            memory,
            base,
            Past(approved=bool(approved), approvals=int(approved), again=again, completed=completed),
        )
        beside = asyncio.create_task(meanwhile(assembled)) if meanwhile else None
        try:
            ending = await assembled.run.execute()
        finally:
            assembled.executor.close()
            if beside is not None and not beside.cancel():
                await beside  # an error of it is an error of the test
        lived.append(Life(ending, memory, assembled.context))

    with dspy_as_new():
        asyncio.run(main())
    return lived[0]


@contextmanager
def dspy_as_new() -> Iterator[None]:
    """DSPy lets one task of one process configure it; a worker has one run, a test process has many."""
    of_dspy = sys.modules["dspy.dsp.utils.settings"]
    of_dspy.config_owner_async_task = None  # type: ignore[attr-defined]
    try:
        yield
    finally:
        of_dspy.config_owner_async_task = None  # type: ignore[attr-defined]
        dspy.configure(lm=None, adapter=None)


def build_role_model(
    endpoint: LoopbackEndpoint, meter: Meter, role: Role = Role.TASK, retries: int = 0, **spec: Any
) -> RoleModel:
    """The endpoint in a role, metered."""
    config = make_config(endpoint, task_model=spec)
    return RoleModel(build_lm(config.task_model, role, meter, retries, 0), dspy.ChatAdapter())


class Acting(dspy.Module):  # type: ignore[misc]
    """A program that is a function of its message; no model is called."""

    def __init__(self, act: Callable[[str], Any]) -> None:
        super().__init__()
        self.act = act

    def forward(self, message: str) -> dspy.Prediction:
        return dspy.Prediction(answer=self.act(message))


NOBODY = RoleModel(lm=None, adapter=None)
