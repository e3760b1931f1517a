"""The whole pipeline, bootstrapping and proposing included, on landscapes of contents: `studio` and DSPy's MIPROv2.

    python -m benchmarks.pipeline --levels 25,5,1 --seeds 6 --cache FILE
    python -m benchmarks.pipeline --levels single,four,graded,noisy,saturated,writer --parts 1,3,4 --direct --short

For every family (`contents.families`) and seed MIPROv2 runs first, and the program runs that it makes are the cap of
ours, once whole and once a third of it, or the other `--parts`. The score is on 400 sealed rows, in points. With
`--cache` a call that was interrupted goes on.
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

from mipro_studio.benchmarks.contents import program
from mipro_studio.benchmarks.contents.direct import DirectExecutor
from mipro_studio.benchmarks.contents.families import FAMILIES, Family
from mipro_studio.benchmarks.contents.landscape import Contents
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
DSPY_DEMOS = 4
"""MIPROv2's own default, of labelled and of bootstrapped demos."""
ENDLESS = 10_000
"""Trials of ours: the cap ends the search."""


@dataclass(frozen=True)
class Job:
    """`level`: the family. `cap`: program runs; None for DSPy's own, which sets the others'. `direct`: see there.

    Attributes:
        method: `DSPY`, "studio", or settings of the studio's search as JSON.
        demos: Most labelled demos in a set of DSPy's.
    """

    method: str
    level: str
    seed: int
    cap: int | None
    direct: bool = False
    demos: int = DSPY_DEMOS

    @property
    def key(self) -> str:
        more = "|direct" * self.direct + f"|{self.demos} demos" * (self.demos != DSPY_DEMOS)
        return f"{self.method}|{self.level}|{self.seed}|{self.cap}{more}"


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
    world = FAMILIES[job.level].world(job.seed)
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


def settings_of(
    method: str, seed: int, cap: int | None, base_url: str, family: Family = FAMILIES["25"]
) -> dict[str, Any]:
    """Settings of a run of ours. `method`: "studio", or settings of its search as JSON."""
    search = json.loads(method) if method.startswith("{") else {}
    return {
        **family.settings,
        "optimizer": "studio",
        "seed": seed,
        "task_model": {"model": "openai/loop", "api_base": base_url},
        "threads": THREADS,
        "budget": {"max_program_runs": cap},
        "search": {"trials": ENDLESS, "candidates": 10, **search},
    }


def _ours(job: Job, world: Contents, base_url: str) -> tuple[float, float, int]:
    config = parse_config(settings_of(job.method, job.seed, job.cap, base_url, FAMILIES[job.level]))
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
        scorer = getattr(program, str(config.metric).rpartition(":")[2])
        straight = DirectExecutor(world, assembled.executor, scorer)
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
    family = FAMILIES[job.level]
    metric = family.scorer
    sealed = dspy.Evaluate(devset=rows[Split.TEST], metric=metric, num_threads=THREADS, display_progress=False)
    before = float(sealed(family.module()).score)
    world.program_runs = 0
    optimizer = MIPROv2(
        metric=metric, auto=None, num_candidates=10, num_threads=THREADS, seed=job.seed, verbose=False,
        max_bootstrapped_demos=DSPY_DEMOS, max_labeled_demos=job.demos,
    )  # fmt: skip
    best = optimizer.compile(
        family.module(), trainset=rows[Split.TRAIN], valset=rows[Split.VAL], num_trials=30, minibatch=True,
        minibatch_size=35, minibatch_full_eval_steps=5,
    )  # fmt: skip
    runs = world.program_runs
    return before, float(sealed(best).score), runs


def _values(job: Job) -> dict[str, Any]:
    return asdict(play(job))


NAMES = {1: "equal runs", 2: "half", 3: "a third", 4: "a quarter"}


def _table(pairs: Mapping[tuple[str, int], list[Mapping[str, Any]]], parts: list[int], short: bool) -> str:
    """`pairs`: by level and seed, DSPy's result and ours at every part of its program runs.

    Args:
        short: Only the means, with the standard errors of the differences.
    """
    named = [f"studio, {NAMES.get(part, f'1/{part}')}" for part in parts]
    heads = "level | seed | baseline | DSPy MIPROv2 | its runs | " + " | ".join(f"{one} | runs" for one in named)
    lines = [] if short else [f"| {heads} |", f"|---|---:|---:|---:|---:|{'---:|---:|' * len(parts)}"]
    means = [f"| family | seeds | baseline | DSPy MIPROv2 | {' | '.join(f'{one} | difference' for one in named)} |"]
    means.append(f"|---|---:|---:|---:|{'---:|---:|' * len(parts)}")
    for level in dict.fromkeys(level for level, _ in pairs):
        own = {seed: found for (at, seed), found in pairs.items() if at == level}
        for seed, (peer, *ours) in own.items():
            told = " | ".join(f"{one['sealed']:.1f} | {one['runs']}" for one in ours)
            line = f"| {level} | {seed} | {peer['baseline']:.1f} | {peer['sealed']:.1f} | {peer['runs']} | {told} |"
            lines += [] if short else [line]
        means.append(_means(level, list(own.values())))
    means.append(_means("all", list(pairs.values())))
    return "\n".join([*lines, *([] if short else [""]), *means])


def _means(name: str, results: list[list[Mapping[str, Any]]]) -> str:
    peers = [peer["sealed"] for peer, *_ in results]
    cells = [f"{statistics.mean(peer['baseline'] for peer, *_ in results):.1f}", f"{statistics.mean(peers):.1f}"]
    for ours in zip(*(of_part for _, *of_part in results), strict=True):
        gains = [one["sealed"] - peer for one, peer in zip(ours, peers, strict=True)]
        error = statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else float("nan")
        cells += [
            f"{statistics.mean(one['sealed'] for one in ours):.1f}",
            f"{statistics.mean(gains):+.1f} ± {error:.1f}",
        ]
    return f"| {name} | {len(results)} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", default="25,5,1", help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--parts", default="1,3", help="shares of MIPROv2's program runs: 3 is a third")
    parser.add_argument("--direct", action="store_true", help="program runs of ours without prompts, the same cells")
    parser.add_argument("--settings", default="studio", help="settings of the studio's search as JSON")
    parser.add_argument("--dspy-demos", type=int, default=DSPY_DEMOS, help="most labelled demos of MIPROv2's sets")
    parser.add_argument("--short", action="store_true", help="print means only")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--cache", type=Path)
    said = parser.parse_args()
    parts = [int(part) for part in said.parts.split(",")]
    pairs: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for seed in range(said.first, said.first + said.seeds):  # a call that is cut short has whole seeds
        reference = {level: Job(DSPY, level, seed, None, demos=said.dspy_demos) for level in said.levels.split(",")}
        jobs = list(reference.values())
        found = dict(remembered(_values, {job.key: (job,) for job in jobs}, said.processes, said.cache))
        ours = {
            (level, part): Job(said.settings, level, seed, found[job.key]["runs"] // part, said.direct)
            for level, job in reference.items()
            for part in parts
        }
        found |= remembered(_values, {job.key: (job,) for job in ours.values()}, said.processes, said.cache)
        for level, job in reference.items():
            pairs[level, seed] = [found[job.key], *(found[ours[level, part].key] for part in parts)]
    ordered = sorted(pairs.items(), key=lambda one: said.levels.split(",").index(one[0][0]))
    print(_table(dict(ordered), parts, said.short))


if __name__ == "__main__":
    main()
