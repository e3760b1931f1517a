"""The whole pipeline, bootstrapping and proposing included, on landscapes of contents: `studio` and DSPy's MIPROv2.

    python -m benchmarks.pipeline --levels 25,5,1 --seeds 6 --cache FILE

For every level and seed MIPROv2 runs first, and the program runs that it makes are the cap of ours, once whole and
once a third of it. The score is on 400 sealed rows, in points. With `--cache` a call that was interrupted goes on.
"""

import argparse
import asyncio
import json
import logging
import os
import statistics
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import dspy
from dspy.teleprompt import MIPROv2

from mipro_studio.benchmarks.contents.direct import DirectExecutor
from mipro_studio.benchmarks.contents.landscape import Contents
from mipro_studio.benchmarks.contents.program import Support, metric
from mipro_studio.benchmarks.landscapes.remember import remembered
from mipro_studio.optimizer_core.config import RunConfig, parse_config
from mipro_studio.optimizer_core.data import Dataset, example_id
from mipro_studio.optimizer_core.evaluation.journal import MemoryJournal
from mipro_studio.optimizer_core.runs.assembly import Assembled, assemble
from mipro_studio.optimizer_core.runs.presets import trimmed
from mipro_studio.optimizer_core.types import Example, Split
from tests.loopback.inprocess import InProcessEndpoint

__all__ = ["Job", "Played", "execute", "journal_of", "play", "rows_of", "settings_of"]

ROOT = Path(__file__).resolve().parents[1]
SIZES = {Split.TRAIN: 60, Split.VAL: 120, Split.TEST: 400}
THREADS = 8
DSPY = "DSPy MIPROv2"
ENDLESS = 10_000
"""Trials of ours: the cap ends the search."""


@dataclass(frozen=True)
class Job:
    """`cap`: program runs; None for DSPy's own, which sets the others' budget. `direct`: see `contents.direct`."""

    method: str
    level: str
    seed: int
    cap: int | None
    direct: bool = False

    @property
    def key(self) -> str:
        return f"{self.method}|{self.level}|{self.seed}|{self.cap}{'|direct' if self.direct else ''}"


@dataclass(frozen=True)
class Played:
    """Points on the sealed rows before and after, program runs without the sealed ones, seconds."""

    baseline: float
    sealed: float
    runs: int
    seconds_s: float


def play(job: Job) -> Played:
    """One optimization from the seed program to the sealed test."""
    logging.getLogger("dspy").setLevel(logging.ERROR)
    world = Contents(job.level, job.seed)
    started = time.monotonic()
    with InProcessEndpoint(responder=world.respond) as endpoint:
        played = _dspy(job, world, endpoint.base_url) if job.cap is None else _ours(job, world, endpoint.base_url)
    return Played(*played, time.monotonic() - started)


def rows_of(world: Contents) -> dict[Split, list[Example]]:
    """The landscape's rows as a run has them."""
    found, at = {}, 0
    for split, size in SIZES.items():
        made = []
        for position, row in enumerate(world.rows[at : at + size]):
            inputs, labels = {"message": row.message}, {"queue": row.queue}
            made.append(Example(example_id(inputs, labels), split, position, inputs, labels))
        found[split], at = made, at + size
    return found


def journal_of(world: Contents, config: RunConfig) -> MemoryJournal:
    """The rows as a run of `config` begins with them: under a small cap not all validation rows are used."""
    rows = tuple(row for of_split in rows_of(world).values() for row in of_split)
    journal = MemoryJournal()
    journal.commit(trimmed(Dataset(rows, (), (), None), config).examples)
    return journal


def settings_of(method: str, seed: int, cap: int | None, base_url: str) -> dict[str, Any]:
    """Settings of a run of ours. `method`: "studio", or settings of its search as JSON."""
    search = json.loads(method) if method.startswith("{") else {}
    return {
        "program": "benchmarks/contents/program.py:program",
        "metric": "benchmarks/contents/program.py:metric",
        "optimizer": "studio",
        "seed": seed,
        "task_model": {"model": "openai/loop", "api_base": base_url},
        "threads": THREADS,
        "budget": {"max_program_runs": cap},
        "search": {"trials": ENDLESS, "candidates": 10, **search},
    }


def _ours(job: Job, world: Contents, base_url: str) -> tuple[float, float, int]:
    config = parse_config(settings_of(job.method, job.seed, job.cap, base_url))
    journal = journal_of(world, config)
    asyncio.run(execute(config, journal, world, job.direct))
    outcome = journal.outcome()
    assert outcome is not None and outcome.baseline_test is not None and outcome.best_test is not None
    runs = sum(cell.key.split is not Split.TEST for cell in journal.cells())
    return 100 * outcome.baseline_test["mean"], 100 * outcome.best_test["mean"], runs


async def execute(config: RunConfig, journal: MemoryJournal, world: Contents, direct: bool) -> Assembled:
    """The run that `config` asks for; with `direct` its program runs are made without prompts."""
    assembled = assemble(config, journal, ROOT)
    if direct:
        straight = DirectExecutor(world, assembled.executor)
        assembled.run._executor = assembled.context.evaluator._executor = straight
    await assembled.run.execute()
    return assembled


def _dspy(job: Job, world: Contents, base_url: str) -> tuple[float, float, int]:
    lm = dspy.LM("openai/loop", api_base=base_url, api_key="none", cache=False)
    dspy.configure(lm=lm)
    rows = {
        split: [dspy.Example(**row.inputs, **row.labels).with_inputs("message") for row in of_split]
        for split, of_split in rows_of(world).items()
    }
    sealed = dspy.Evaluate(devset=rows[Split.TEST], metric=metric, num_threads=THREADS, display_progress=False)
    before = float(sealed(Support()).score)
    world.program_runs = 0
    optimizer = MIPROv2(
        metric=metric, auto=None, num_candidates=10, num_threads=THREADS, seed=job.seed, verbose=False,
        max_bootstrapped_demos=4, max_labeled_demos=4,
    )  # fmt: skip
    best = optimizer.compile(
        Support(), trainset=rows[Split.TRAIN], valset=rows[Split.VAL], num_trials=30, minibatch=True,
        minibatch_size=35, minibatch_full_eval_steps=5,
    )  # fmt: skip
    runs = world.program_runs
    return before, float(sealed(best).score), runs


def _values(job: Job) -> dict[str, Any]:
    return asdict(play(job))


def _table(levels: list[str], seeds: range, found: Mapping[str, Mapping[str, Any]], direct: bool) -> str:
    lines = [
        "| level | seed | baseline | DSPy MIPROv2 | its runs | studio, equal runs | runs | studio, a third | runs |"
    ]
    lines.append("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    whole: list[tuple[float, float, float]] = []
    for level in levels:
        of_level = []
        for seed in seeds:
            peer = found.get(Job(DSPY, level, seed, None).key)
            if peer is None:
                continue
            caps = (peer["runs"], peer["runs"] // 3)
            ours = [found.get(Job("studio", level, seed, cap, direct).key) for cap in caps]
            if None in ours:
                continue
            equal, third = (one for one in ours if one is not None)
            of_level.append((peer["sealed"], equal["sealed"], third["sealed"]))
            lines.append(
                f"| {level} | {seed} | {peer['baseline']:.1f} | {peer['sealed']:.1f} | {peer['runs']} | "
                f"{equal['sealed']:.1f} | {equal['runs']} | {third['sealed']:.1f} | {third['runs']} |"
            )
        if of_level:
            means = [statistics.mean(column) for column in zip(*of_level, strict=True)]
            lines.append(
                f"| **{level}** | mean | | **{means[0]:.1f}** | | **{means[1]:.1f}** | | **{means[2]:.1f}** | |"
            )
            whole += of_level
    if whole:
        means = [statistics.mean(column) for column in zip(*whole, strict=True)]
        lines.append(f"| **all** | mean | | **{means[0]:.1f}** | | **{means[1]:.1f}** | | **{means[2]:.1f}** | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", default="25,5,1")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--direct", action="store_true", help="program runs of ours without prompts, the same cells")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cache", type=Path)
    said = parser.parse_args()
    levels = said.levels.split(",")
    seeds = range(said.first, said.first + said.seeds)
    jobs = [Job(DSPY, level, seed, None) for seed in seeds for level in levels]
    found = dict(remembered(_values, {job.key: (job,) for job in jobs}, said.processes, said.cache))
    caps = {job: found[job.key]["runs"] for job in jobs}
    ours = [Job("studio", job.level, job.seed, caps[job] // part, said.direct) for job in jobs for part in (1, 3)]
    found |= remembered(_values, {job.key: (job,) for job in ours}, said.processes, said.cache)
    print(_table(levels, seeds, found, said.direct))


if __name__ == "__main__":
    main()
