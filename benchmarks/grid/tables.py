"""From measured runs to the numbers of a table. Every mean has its n; every comparison is paired by example."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from mipro_studio.benchmarks.grid.results import Failure, Measured

__all__ = ["LEVEL", "REFERENCE", "Group", "Line", "Overall", "groups", "overall", "wilcoxon_p"]

LEVEL = 0.95
DIGITS = 9
"""Decimals that differences are compared at."""
REFERENCE = "dspy.MIPROv2"
"""Ratios of calls and seconds are to this optimizer's."""


@dataclass(frozen=True)
class Line:
    """One optimizer on one task. `low` and `high` are Student's t over seeds; None with a single seed.

    `p_best` is the two-sided Wilcoxon signed-rank p-value against the best line of the group, on test scores of each
    example averaged over seeds, as in the MIPRO paper; None for the best itself. `calls_ratio` and `time_ratio` are
    to `REFERENCE`, None where it was not measured. `capped` counts the seeds that ended at the cap.
    """

    optimizer: str
    score: float
    low: float | None
    high: float | None
    seeds: int
    n_test: int
    program_runs: float
    lm_calls: float
    search_s: float | None
    capped: int
    calls_ratio: float | None = None
    time_ratio: float | None = None
    p_best: float | None = None


@dataclass(frozen=True)
class Group:
    """All that was measured with the same task, rows, models and cap; `lines` are sorted, the best first."""

    key: str
    task: str
    max_program_runs: int
    sizes: tuple[int, int, int]
    candidates: int
    task_model: str
    prompt_model: str
    baseline: float
    lines: tuple[Line, ...]
    runs: tuple[Measured, ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True)
class Overall:
    """One optimizer over several tasks: the mean of its tasks' test scores.

    `difference` and `p` are to `REFERENCE`: of those means, and a Wilcoxon signed-rank test over the test examples of
    all tasks together; None for the reference itself.
    """

    optimizer: str
    score: float
    difference: float | None
    p: float | None


def overall(found: Sequence[Group]) -> list[tuple[tuple[str, ...], list[Overall]]]:
    """(tasks, lines) for groups that differ in their task only, of optimizers that were run on all of these."""
    alike: dict[object, list[Group]] = defaultdict(list)
    for group in found:
        key = (group.max_program_runs, group.sizes, group.task_model, group.prompt_model, group.candidates)
        alike[key].append(group)
    tables = []
    for some in alike.values():
        shared = set.intersection(*({line.optimizer for line in group.lines} for group in some))
        if len(some) > 1 and shared:
            lines = sorted((_overall(name, some, shared) for name in shared), key=lambda line: -line.score)
            tables.append((tuple(group.task for group in some), lines))
    return tables


def _overall(name: str, some: Sequence[Group], shared: set[str]) -> Overall:
    def mean(optimizer: str) -> float:
        return float(np.mean([line.score for group in some for line in group.lines if line.optimizer == optimizer]))

    if name == REFERENCE or REFERENCE not in shared:
        return Overall(name, mean(name), None, None)
    one, other = (
        {
            f"{group.task}/{example}": score
            for group in some
            for example, score in _example_means(
                [run for run in group.runs if run.mark["optimizer"] == optimizer]
            ).items()
        }
        for optimizer in (name, REFERENCE)
    )
    return Overall(name, mean(name), mean(name) - mean(REFERENCE), wilcoxon_p(one, other))


def groups(results: Sequence[Measured], failures: Sequence[Failure] = ()) -> list[Group]:
    """Results that may be compared with each other, newest group first, each with the runs that gave none."""
    together: dict[str, list[Measured]] = defaultdict(list)
    for result in results:
        together[result.mark["group"]].append(result)
    failed: dict[str, list[Failure]] = defaultdict(list)
    for failure in failures:
        failed[failure.mark["group"]].append(failure)
    return [_group(key, runs, failed[key]) for key, runs in together.items()]


def _group(key: str, runs: list[Measured], failures: list[Failure]) -> Group:
    by_optimizer: dict[str, list[Measured]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.mark["seed"]):
        by_optimizer[run.mark["optimizer"]].append(run)
    means = {name: _example_means(some) for name, some in by_optimizer.items()}
    lines = sorted((_line(name, some) for name, some in by_optimizer.items()), key=lambda line: -line.score)
    best, reference = lines[0], next((line for line in lines if line.optimizer == REFERENCE), None)
    mark = runs[0].mark
    return Group(
        key=key,
        task=mark["task"],
        max_program_runs=mark["max_program_runs"],
        sizes=tuple(mark["sizes"]),
        candidates=mark.get("candidates", 10),
        task_model=mark["task_model"],
        prompt_model=mark["prompt_model"],
        baseline=float(np.mean([run.baseline for run in runs])),
        lines=tuple(_compared(line, best, reference, means) for line in lines),
        runs=tuple(runs),
        failures=tuple(sorted(failures, key=lambda one: (one.mark["optimizer"], one.mark["seed"]))),
    )


def _line(name: str, runs: list[Measured]) -> Line:
    scores = np.asarray([run.score for run in runs])
    low = high = None
    if len(scores) > 1:
        half = float(stats.t.ppf((1 + LEVEL) / 2, len(scores) - 1) * scores.std(ddof=1) / np.sqrt(len(scores)))
        # The scores of all tasks are shares; with few seeds Student's interval would reach beyond them.
        low, high = max(0.0, float(scores.mean()) - half), min(1.0, float(scores.mean()) + half)
    seconds = [run.search_s for run in runs if run.search_s is not None]
    return Line(
        optimizer=name,
        score=float(scores.mean()),
        low=low,
        high=high,
        seeds=len(runs),
        n_test=min(len(run.test) for run in runs),
        program_runs=float(np.mean([run.program_runs for run in runs])),
        lm_calls=float(np.mean([run.lm_calls for run in runs])),
        search_s=float(np.mean(seconds)) if seconds else None,
        capped=sum(run.capped for run in runs),
    )


def _compared(line: Line, best: Line, reference: Line | None, means: dict[str, dict[str, float]]) -> Line:
    calls = line.lm_calls / reference.lm_calls if reference is not None and reference.lm_calls else None
    time = None
    if reference is not None and reference.search_s and line.search_s is not None:
        time = line.search_s / reference.search_s
    p = None if line is best else wilcoxon_p(means[line.optimizer], means[best.optimizer])
    return Line(**{**vars(line), "calls_ratio": calls, "time_ratio": time, "p_best": p})


def _example_means(runs: Sequence[Measured]) -> dict[str, float]:
    """Mean over seeds by example, over the seeds in which it has a score."""
    scores: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for example, score in run.test.items():
            scores[example].append(score)
    return {example: sum(some) / len(some) for example, some in scores.items()}


def wilcoxon_p(one: dict[str, float], other: dict[str, float]) -> float:
    """Two-sided Wilcoxon signed-rank test over the examples both have; 1 when no example tells them apart."""
    # Means over seeds are thirds and the like: 2/3 - 1/3 and 1/3 - 0 must have one rank, not two.
    differences = np.round([one[example] - other[example] for example in one if example in other], DIGITS)
    if not differences.any():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)
