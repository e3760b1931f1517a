"""A prompt model that can write: `studio` and `gepa` of ours, and DSPy's GEPA, at equal program runs.

    python -m benchmarks.writing --levels 25,5 --seeds 3 --runs 650 --cache FILE

The landscape is that of `benchmarks.pipeline`, the prompt model that of `contents.writer`. Scores are on 400 sealed
rows, in points.
"""

import argparse
import asyncio
import statistics
from pathlib import Path
from typing import Any

import dspy

from mipro_studio.benchmarks.contents.landscape import Contents
from mipro_studio.benchmarks.contents.program import Support, metric
from mipro_studio.benchmarks.landscapes.remember import Values, remembered
from mipro_studio.benchmarks.pipeline import THREADS, execute, journal_of, rows_of, settings_of
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.types import Split
from tests.loopback.inprocess import InProcessEndpoint

__all__ = ["METHODS", "played"]

METHODS = ("studio", "gepa", "DSPy GEPA")
SKILL = 0.5


def played(method: str, level: str, seed: int, runs: int) -> Values:
    """{sealed, runs} of one optimization."""
    world = Contents(level, seed, skill=SKILL)
    with InProcessEndpoint(responder=world.respond) as endpoint:
        found = (_dspy if method == METHODS[2] else _ours)(method, world, endpoint.base_url, seed, runs)
    return dict(zip(("sealed", "runs"), found, strict=True))


def _ours(method: str, world: Contents, base_url: str, seed: int, runs: int) -> tuple[float, int]:
    config = parse_config({**settings_of("studio", seed, runs, base_url), "optimizer": method})
    journal = journal_of(world, config)
    asyncio.run(execute(config, journal, world, True))
    outcome = journal.outcome()
    assert outcome is not None and outcome.best_test is not None
    return 100 * outcome.best_test["mean"], sum(cell.key.split is not Split.TEST for cell in journal.cells())


def _dspy(method: str, world: Contents, base_url: str, seed: int, runs: int) -> tuple[float, int]:
    lm = dspy.LM("openai/loop", api_base=base_url, api_key="none", cache=False)
    dspy.configure(lm=lm)
    rows = {
        split: [dspy.Example(**row.inputs, **row.labels).with_inputs("message") for row in of_split]
        for split, of_split in rows_of(world).items()
    }
    asked = world.program_runs

    def told(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> float:
        return metric(gold, pred)

    optimizer = dspy.GEPA(metric=told, max_metric_calls=runs, reflection_lm=lm, num_threads=THREADS, seed=seed)
    best = optimizer.compile(Support(), trainset=rows[Split.TRAIN], valset=rows[Split.VAL])
    spent = world.program_runs - asked
    sealed = dspy.Evaluate(devset=rows[Split.TEST], metric=metric, num_threads=THREADS, display_progress=False)
    return float(sealed(best).score), spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", default="25,5")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--runs", type=int, default=650)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--cache", type=Path)
    said = parser.parse_args()
    calls = {
        f"{method}|{level}|{seed}|{said.runs}": (method, level, seed, said.runs)
        for level in said.levels.split(",")
        for seed in range(said.first, said.first + said.seeds)
        for method in METHODS
    }
    found = remembered(played, calls, said.processes, said.cache)
    print(f"| level | seed | {' | '.join(f'{method} | runs' for method in METHODS)} |")
    print(f"|---|---:|{'---:|' * 2 * len(METHODS)}")
    columns: dict[str, list[float]] = {method: [] for method in METHODS}
    for level in said.levels.split(","):
        for seed in range(said.first, said.first + said.seeds):
            cells = [found[f"{method}|{level}|{seed}|{said.runs}"] for method in METHODS]
            for method, cell in zip(METHODS, cells, strict=True):
                columns[method].append(cell["sealed"])
            told = " | ".join(f"{one['sealed']:.1f} | {one['runs']}" for one in cells)
            print(f"| {level} | {seed} | {told} |")
    print("| mean | | " + " | ".join(f"{statistics.mean(of):.1f} | " for of in columns.values()) + " |")


if __name__ == "__main__":
    main()
