"""The searches of the benchmark: one job is one method on one landscape under one cap on program runs."""

import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

# One thread of linear algebra a process: the processes share the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from mipro_studio.benchmarks.landscapes.dspy_mipro import play_dspy
from mipro_studio.benchmarks.landscapes.families import FAMILIES, Landscape
from mipro_studio.benchmarks.landscapes.remember import remembered
from mipro_studio.benchmarks.landscapes.simulate import play
from mipro_studio.optimizer_core.analysis.winner import corrected
from mipro_studio.optimizer_core.config import parse_config
from mipro_studio.optimizer_core.types import Candidate

__all__ = ["DEFAULT", "DSPY", "METHODS", "Job", "Result", "default_share", "run_jobs"]

DSPY = "DSPy MIPROv2"
DEFAULT = "studio (item_response, racing)"
ENDLESS = 10_000
"""Trials: the cap ends every search."""


def _mipro(surrogate: str, schedule: str) -> dict[str, Any]:
    return {"optimizer": "mipro", "search": {"surrogate": surrogate, "schedule": schedule, "trials": ENDLESS}}


METHODS: dict[str, dict[str, Any]] = {
    DEFAULT: {"search": {"trials": ENDLESS, "made": 0}},
    **{
        f"mipro ({surrogate}, {schedule})": _mipro(surrogate, schedule)
        for surrogate in ("item_response", "tpe", "random")
        for schedule in ("minibatch", "racing", "full")
        if (surrogate, schedule) not in (("item_response", "racing"), ("random", "full"))
    },
    "random search": _mipro("random", "full"),
    "bayesian_bootstrap": {"optimizer": "bayesian_bootstrap", "search": {"trials": ENDLESS}},
    "bootstrap_rs": {"optimizer": "bootstrap_rs"},
}


@dataclass(frozen=True)
class Job:
    """`cap`: program runs; None for DSPy's own, which sets the others' budget."""

    method: str
    family: int
    seed: int
    cap: int | None

    @property
    def key(self) -> str:
        return f"{self.method}|{self.family}|{self.seed}|{self.cap}"


@dataclass(frozen=True)
class Result:
    """What came of a job.

    Attributes:
        fraction: True score of what the search returns, as a share of the best possible.
        curve: As in `simulate.Played`.
        interval: (low, high, true score) of the winner in the metric's units; None for DSPy, which gives none.
        gain: Its plain validation mean minus the true score, in the metric's units.
        cpu_s: Processor time of the search.
    """

    fraction: float
    runs: int
    curve: Sequence[tuple[int, float]]
    interval: tuple[float, float, float] | None
    gain: float | None
    cpu_s: float


def default_share(family: int) -> float:
    """The share of MIPROv2's program runs after which the default should be where MIPROv2 ends."""
    return 1 / 2 if FAMILIES[family].predictors == 1 else 1 / 3


def run_job(job: Job) -> Result:
    started = time.process_time()
    landscape = Landscape(FAMILIES[job.family], job.seed)
    if job.method == DSPY:
        curve, runs = play_dspy(landscape)
        return Result(curve[-1][1], runs, curve, None, None, time.process_time() - started)
    settings = {"program": "simulated", "seed": job.seed, "budget": {"max_program_runs": job.cap}}
    played = play(landscape, parse_config({**METHODS[job.method], **settings}))
    spent = time.process_time() - started
    baseline = Candidate.baseline(landscape.family.predictors)
    evidence = corrected(played.table, played.winner, baseline, job.seed, trials=played.trials)
    assert evidence is not None
    true = landscape.in_units(landscape.true(played.winner))
    return Result(
        landscape.fraction(played.winner),
        played.runs,
        played.curve,
        (evidence["low"], evidence["high"], true),
        evidence["observed"] - true,
        spent,
    )


def run_jobs(jobs: Iterable[Job], processes: int, cache: Path | None = None) -> dict[str, Result]:
    """Results by `Job.key`; see `remember.remembered` for the cache."""
    found = remembered(_values, {job.key: (job,) for job in jobs}, processes, cache)
    return {key: Result(**values) for key, values in found.items()}


def _values(job: Job) -> dict[str, Any]:
    return asdict(run_job(job))
