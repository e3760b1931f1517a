"""Runs the studio's real search on a landscape: only the evaluator is replaced, by one that looks the cells up."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

from mipro_studio.benchmarks.landscapes.families import N_EXAMPLES, Landscape
from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.config_paths import merge
from mipro_studio.optimizer_core.errors import BudgetReached
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.evaluation.objective import THE_SCORE
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.registry import Optimizer, get_optimizer
from mipro_studio.optimizer_core.parameters.arm_features import Features, carried_feature
from mipro_studio.optimizer_core.parameters.demos import demos_arm
from mipro_studio.optimizer_core.parameters.space import SearchSpace
from mipro_studio.optimizer_core.runs.loop import Search
from mipro_studio.optimizer_core.runs.presets import defaults_of
from mipro_studio.optimizer_core.runs.reporting import Reporter
from mipro_studio.optimizer_core.search.surrogates import Observation
from mipro_studio.optimizer_core.types import (
    DEMOS,
    INSTRUCTION,
    Arm,
    Candidate,
    Cell,
    CellKey,
    Demo,
    Example,
    Record,
    Split,
    Trial,
    TrialKind,
)
from tests.immediate import Immediate

__all__ = ["Played", "play"]

EXAMPLES = [Example(f"e{index}", Split.VAL, index, {}, {}) for index in range(N_EXAMPLES)]


@dataclass(frozen=True)
class Played:
    """One search on one landscape.

    Attributes:
        curve: (program runs, true score as a share of the best possible) of the best full evaluation so far.
        winner: The candidate that the run would return.
        runs: Program runs in all.
    """

    curve: list[tuple[int, float]]
    winner: Candidate
    runs: int
    table: ScoreTable
    space: SearchSpace
    trials: list[Trial]


class _Recorder:
    def __init__(self) -> None:
        self.trials: dict[int, Trial] = {}

    async def write(self, *records: Record) -> None:
        for record in records:
            if isinstance(record, Trial):
                self.trials[record.order] = record


class _Evaluator:
    """The evaluator's promises (no cell is paid for twice, the cap holds) at memory speed."""

    def __init__(self, landscape: Landscape, table: ScoreTable, cap: int | None) -> None:
        self._landscape = landscape
        self._table = table
        self._cap = cap
        self.program_runs = 0

    @property
    def room(self) -> int | None:
        return None if self._cap is None else self._cap - self.program_runs

    def room_for(self, program_runs: int) -> bool:
        return self._cap is None or self.program_runs + program_runs <= self._cap

    def require_room(self, program_runs: int) -> None:
        if not self.room_for(program_runs):
            raise BudgetReached(f"The cap of {self._cap} program runs is reached.")

    def missing(self, keys: Iterable[CellKey]) -> list[CellKey]:
        return [key for key in keys if self._table.get(key) is None]

    async def evaluate(self, candidate: Candidate, examples: Sequence[Example], priority: int = 0) -> None:
        keys = {CellKey(candidate.id, Split.VAL, example.id): example.position for example in examples}
        row = self._landscape.row(candidate)
        for key in self.missing(keys):
            self._table.put(Cell(key, float(row[keys[key]])))
            self.program_runs += 1


class _Silent(Search):
    """Leaves out what a run writes down for people who watch, which no decision rests on and nobody reads here."""

    def __init__(self, context: RunContext, optimizer: Optimizer) -> None:
        super().__init__(context, optimizer)
        self._reporter = _NoReporter(context, optimizer, 0)


class _NoReporter(Reporter):
    async def report(self, observed: Sequence[Observation], number: int) -> None:
        return


def play(
    landscape: Landscape, config: RunConfig, carried: Sequence[Arm] = (), features: Features = MappingProxyType({})
) -> Played:
    """The search that `config` asks for, its cap included. Bootstrapping and proposing are done and free.

    Args:
        carried: Arms as an earlier run left them, with what they were worth there.
        features: What is in the arms.
    """
    return asyncio.run(_play(landscape, config, carried, features))


async def _play(landscape: Landscape, config: RunConfig, carried: Sequence[Arm], features: Features) -> Played:
    asyncio.get_running_loop().set_default_executor(Immediate())
    table, recorder = ScoreTable(), _Recorder()
    evaluator = _Evaluator(landscape, table, config.budget.max_program_runs)
    # There are no rows to make arms from: what is measured is the choice among those there are.
    capped = merge(defaults_of(config), config.model_dump(exclude_unset=True))
    config = parse_config(merge(capped, {"search": {"made": 0}}))
    optimizer = get_optimizer(config.optimizer)
    names = [f"p{index}" for index in range(landscape.family.predictors)]
    arms = {name: range(landscape.family.arms) for name in names}
    searched = [kind for kind in (INSTRUCTION, DEMOS) if kind in optimizer.searches]
    space = SearchSpace(names, dict.fromkeys(searched, arms), config.search.freeze)
    for place, name in enumerate(names):
        for kind in searched:
            own = [arm for arm in carried if (arm.owner, arm.kind) == (name, kind)]
            known = (*features.get((place, kind), ()), *carried_feature(own))
            space.features = {**space.features, (place, kind): known}
    one = Demo({}, False, "")
    active = {
        name: {index: demos_arm(name, index, "shuffled", [one] * index) for index in arms[name]} for name in names
    }
    parts: dict[str, Any] = {
        "config": config,
        "objective": THE_SCORE,
        "examples": {Split.VAL: EXAMPLES},
        "journal": MemoryJournal(),
        "recorder": recorder,
        "table": table,
        "evaluator": evaluator,
        "evaluate": evaluator.evaluate,
        "meter": SimpleNamespace(capped=False),
        "tunings": {},
        "baseline": Candidate.baseline(len(names)),
        "space": space,
        "allows": lambda candidate: True,
        "free": [SimpleNamespace(name=name) for name in names],
        "arms": SimpleNamespace(
            names=names,
            instructions=active,
            demo_sets=active,
            by_kind={},
            everything=lambda: carried,
            chosen=lambda one: [],
        ),
    }
    search = _Silent(cast(RunContext, SimpleNamespace(**parts)), optimizer)
    await search.start_baseline()
    with contextlib.suppress(BudgetReached):
        await search.run()
    trials = [recorder.trials[order] for order in sorted(recorder.trials)]
    winner, _ = search.extract()
    return Played(_curve(landscape, trials), winner, evaluator.program_runs, table, space, trials)


def _curve(landscape: Landscape, trials: Sequence[Trial]) -> list[tuple[int, float]]:
    """After every full evaluation: the true score of the best one so far."""
    curve: list[tuple[int, float]] = []
    best = float("-inf")
    for trial in trials:
        if trial.kind is not TrialKind.MINIBATCH and trial.mean is not None and trial.mean > best:
            best = trial.mean
            curve.append((trial.program_runs, landscape.fraction(Candidate.parse(trial.candidate))))
    return curve
