"""Where the whole pipeline loses points, on the landscape of contents, which knows what every candidate is worth.

    python -m benchmarks.contents.losses --levels 25,5,1 --first 100 --seeds 8 --runs 650,680,723

For every level: the true score of what a run of `studio` returns, of the best candidate that it evaluated in full, of
the best that it asked anything of, and of the best combination of the arms that it had at its end (found by changing
one arm at a time); its program runs by what they were for; and how often the winner's interval holds its true score.
`--without` switches a part of the search off, to see what it is worth: credit by predictor, demo sets that cover
classes, or rows that take turns. `--search` says settings of it as JSON.
"""

import argparse
import asyncio
import statistics
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

from mipro_studio.benchmarks.contents.direct import expected
from mipro_studio.benchmarks.contents.landscape import Contents
from mipro_studio.benchmarks.landscapes.remember import Values, remembered
from mipro_studio.benchmarks.pipeline import SIZES, execute, journal_of, settings_of
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.parameters import arm_features
from mipro_studio.optimizer_core.search import schedules
from mipro_studio.optimizer_core.search.surrogates import credit
from mipro_studio.optimizer_core.types import FULL_KINDS, Candidate, Split
from tests.loopback.inprocess import InProcessEndpoint

__all__ = ["Truth", "measure", "played"]

PARTS: dict[str, tuple[ModuleType, str, Any]] = {
    "credit": (credit, "_parts", lambda seen: {}),
    "coverage": (arm_features, "_covering", lambda sets, classes: []),
    "turns": (schedules, "Counter", lambda names: Counter()),  # all rows have been asked for as often
}
"""Parts of the search that can be switched off, and how."""

COLUMNS = ("returned", "in full", "asked", "arms", "baseline", "teacher", "search", "unused", "interval holds")


class Truth:
    """True scores of candidates in points, on the sealed rows: a row's kind, and whether it is hard, decide."""

    def __init__(self, world: Contents, context: RunContext) -> None:
        self._world, self.context = world, context
        sealed = world.rows[SIZES[Split.TRAIN] + SIZES[Split.VAL] :][: SIZES[Split.TEST]]
        self._times = Counter((row.kind, row.hard) for row in sealed)
        self._rows = {(row.kind, row.hard): row for row in sealed}
        self._known: dict[str, float] = {}

    def __call__(self, candidate: Candidate) -> float:
        if candidate.id not in self._known:
            arms = self.context.arms.contents(candidate)
            found = (times * expected(self._world, arms, [self._rows[alike]]) for alike, times in self._times.items())
            self._known[candidate.id] = 100 * sum(found) / self._times.total()
        return self._known[candidate.id]

    def best_from(self, candidate: Candidate) -> float:
        """Of all combinations of active arms, as far as changing one at a time leads there."""
        space = self.context.space
        while True:
            options = [
                candidate.having({(space.place(one.owner), one.kind): arm})
                for one in space.parameters
                for arm in one.arms
            ]
            better = max(options, key=self)
            if self(better) <= self(candidate):
                return self(candidate)
            candidate = better


def without(part: str) -> AbstractContextManager[Any]:
    """The search of this process without that part; with all of them where it is "nothing"."""
    if part == "nothing":
        return nullcontext()
    module, name, instead = PARTS[part]
    return patch.object(module, name, instead)


def played(level: str, seed: int, runs: int, search: str = "studio") -> tuple[MemoryJournal, Truth]:
    """One run of `studio` with `runs` program runs, and what its candidates are worth."""
    world = Contents(level, seed)
    with InProcessEndpoint(responder=world.respond) as endpoint:
        config = parse_config(settings_of(search, seed, runs, endpoint.base_url))
        journal = journal_of(world, config)
        assembled = asyncio.run(execute(config, journal, world, True))
    return journal, Truth(world, assembled.context)


def measure(level: str, seed: int, runs: int, part: str = "nothing", search: str = "studio") -> Values:
    """The figures of one run of `studio` with `runs` program runs, by `COLUMNS`."""
    with without(part):
        journal, true = played(level, seed, runs, search)
    outcome = journal.outcome()
    assert outcome is not None and outcome.winner is not None and outcome.corrected is not None
    winner, baseline = Candidate.parse(outcome.winner), true.context.baseline
    cells = Counter((cell.key.split, cell.key.candidate == baseline.id) for cell in journal.cells())
    full = {trial.candidate for trial in journal.trials() if trial.kind in FULL_KINDS}
    asked = {trial.candidate for trial in journal.trials()}
    spent = cells[Split.VAL, True], cells[Split.TRAIN, False], cells[Split.VAL, False]
    found = (
        true(winner),
        max(true(Candidate.parse(one)) for one in full),
        max(true(Candidate.parse(one)) for one in asked),
        true.best_from(winner),
        *spent,
        runs - sum(spent),
        float(100 * outcome.corrected["low"] <= true(winner) <= 100 * outcome.corrected["high"]),
    )
    return dict(zip(COLUMNS, found, strict=True))


def _row(name: str, results: Sequence[Values]) -> str:
    means = [statistics.mean(one[column] for one in results) for column in COLUMNS]
    shown = [*(f"{mean:.1f}" for mean in means[:4]), *(f"{mean:.0f}" for mean in means[4:-1]), f"{means[-1]:.0%}"]
    return f"| {name} | {len(results)} | {' | '.join(shown)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", default="25,5,1")
    parser.add_argument("--first", type=int, default=100, help="the first seed")
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--runs", default="650,680,723", help="the cap on program runs of each level")
    parser.add_argument("--without", default="nothing", choices=("nothing", *PARTS))
    parser.add_argument("--search", default="studio", help="settings of the search as JSON")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cache", type=Path)
    said = parser.parse_args()
    caps = dict(zip(said.levels.split(","), map(int, said.runs.split(",")), strict=True))
    seeds = range(said.first, said.first + said.seeds)
    how = (said.without, said.search)
    calls = {
        "|".join(map(str, (level, seed, runs, *how))): (level, seed, runs, *how)
        for level, runs in caps.items()
        for seed in seeds
    }
    found = remembered(measure, calls, said.processes, said.cache)
    print(f"| level | runs | {' | '.join(COLUMNS)} |\n|---|---:|{'---:|' * len(COLUMNS)}")
    for level in caps:
        print(_row(level, [found[key] for key, call in calls.items() if call[0] == level]))
    print(_row("all", list(found.values())))


if __name__ == "__main__":
    main()
