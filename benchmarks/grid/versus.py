"""One optimizer against the others over tasks and seeds, paired: the analysis that `docs/predictions` names."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from mipro_studio.benchmarks.grid.results import Measured
from mipro_studio.benchmarks.grid.tables import wilcoxon_p

__all__ = ["Versus", "asked_for", "flips_p", "markdown", "versus"]

Pair = tuple[str, int]
"""Task and seed."""


@dataclass(frozen=True)
class Versus:
    """All that was measured under one cap, where every optimizer has a result.

    Attributes:
        scores: Optimizer -> (task, seed) -> mean test score; "seed program" is one of them.
        examples: Optimizer -> "task/example" -> test score, the mean over seeds.
    """

    max_program_runs: int
    scores: Mapping[str, Mapping[Pair, float]]
    examples: Mapping[str, Mapping[str, float]]

    def mean(self, optimizer: str, task: str | None = None) -> float:
        """Of the task's seeds, or of the tasks' means."""
        by_task: dict[str, list[float]] = {}
        for (name, _), score in self.scores[optimizer].items():
            by_task.setdefault(name, []).append(score)
        wanted = [task] if task else list(by_task)
        return float(np.mean([np.mean(by_task[name]) for name in wanted]))


SEED_PROGRAM = "seed program"


def asked_for(results: Sequence[Measured], tasks: Sequence[str], optimizers: Sequence[str]) -> list[Measured]:
    """Those of these tasks and optimizers; of two with the same setting and seed the first."""
    found: dict[tuple[int, str, str, int], Measured] = {}
    for one in results:
        mark = one.mark
        if mark["task"] in tasks and mark["optimizer"] in optimizers:
            found.setdefault((mark["max_program_runs"], mark["optimizer"], mark["task"], mark["seed"]), one)
    return list(found.values())


def versus(results: Sequence[Measured], optimizers: Sequence[str]) -> list[Versus]:
    """One for every cap on program runs, over the (task, seed) pairs that all `optimizers` have a result for."""
    found: dict[int, dict[tuple[str, Pair], Measured]] = {}
    for one in results:
        mark = one.mark
        of_cap = found.setdefault(mark["max_program_runs"], {})
        of_cap[mark["optimizer"], (mark["task"], mark["seed"])] = one
    return [_versus(cap, found[cap], optimizers) for cap in sorted(found)]


def _versus(cap: int, found: Mapping[tuple[str, Pair], Measured], optimizers: Sequence[str]) -> Versus:
    pairs = sorted({pair for _, pair in found if all((name, pair) in found for name in optimizers)})
    scores = {name: {pair: found[name, pair].score for pair in pairs} for name in optimizers}
    scores[SEED_PROGRAM] = {pair: found[optimizers[0], pair].baseline for pair in pairs}
    examples: dict[str, dict[str, float]] = {}
    for name in optimizers:
        together: dict[str, list[float]] = {}
        for pair in pairs:
            for example, score in found[name, pair].test.items():
                together.setdefault(f"{pair[0]}/{example}", []).append(score)
        examples[name] = {example: float(np.mean(some)) for example, some in together.items()}
    return Versus(cap, scores, examples)


def flips_p(differences: Sequence[float]) -> float:
    """Two-sided p of a mean difference this large if every pair's sign were a coin: all signs of up to 16 pairs, else
    Student's t."""
    values = np.asarray(differences)
    if len(values) > 16:
        return float(stats.ttest_1samp(values, 0.0).pvalue)
    signs = np.array(list(itertools.product((1, -1), repeat=len(values))))
    return float((np.abs(signs @ values) >= abs(values.sum()) - 1e-9).mean())


def markdown(one: Versus, ours: str) -> str:
    """Means by task, and ours minus each: the best peer on the mean first."""
    tasks = list(dict.fromkeys(task for task, _ in one.scores[ours]))
    pairs = list(one.scores[ours])
    order = sorted((name for name in one.examples if name != ours), key=lambda name: -one.mean(name))
    lines = [f"Cap {one.max_program_runs} program runs, {len(pairs)} pairs of task and seed.", ""]
    heads = " | ".join([*tasks, "mean", "ours minus it", "p (examples)", "p (pairs)", "ahead, level, behind"])
    lines += [f"| optimizer | {heads} |", f"|---|{'---|' * (len(tasks) + 5)}"]
    for name in (SEED_PROGRAM, ours, *order):
        cells = [f"{value:.3f}" for value in (*(one.mean(name, task) for task in tasks), one.mean(name))]
        lines.append(f"| {name} | {' | '.join([*cells, *_beside(one, ours, name)])} |")
    return "\n".join(lines)


def _beside(one: Versus, ours: str, name: str) -> list[str]:
    if name in (ours, SEED_PROGRAM):
        return [""] * 4
    gains = [one.scores[ours][pair] - one.scores[name][pair] for pair in one.scores[ours]]
    places = [sum(sign * gain > 1e-9 for gain in gains) for sign in (1, -1)]
    ps = wilcoxon_p(dict(one.examples[ours]), dict(one.examples[name])), flips_p(gains)
    level = len(gains) - sum(places)
    difference = one.mean(ours) - one.mean(name)
    return [f"{difference:+.3f}", *(f"{p:.3f}" for p in ps), f"{places[0]}, {level}, {places[1]}"]
