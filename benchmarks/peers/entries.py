"""DSPy's optimizers with settings that fit a budget of program runs. Nothing of theirs is changed.

Each gets the same rows, models and cap as ours. Their defaults are kept except for what the budget decides. COPRO and
SIMBA take one set: they get the validation rows, on which the others choose too.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dspy

from mipro_studio.benchmarks.grid.request import DEMOS, MINIBATCH

__all__ = ["Work", "compile_peer"]

BOOTSTRAP_RUNS = 6
"""Program runs that one bootstrapped demo set takes, roughly; the cap is exact, this only sizes the search."""


@dataclass(frozen=True)
class Work:
    """What a peer is given. `cap` is in program runs."""

    program: Any
    metric: Callable[..., Any]
    train: list[Any]
    val: list[Any]
    prompt_model: Any
    task_model: Any
    cap: int
    candidates: int
    seed: int
    threads: int


def compile_peer(name: str, work: Work) -> Any:
    """The program that the peer called `name` returns."""
    return _PEERS[name](work)


def mipro_trials(cap: int, n_val: int, candidates: int) -> int:
    """The most minibatch trials whose minibatches and full evaluations the cap pays for; at least one."""
    batch = min(MINIBATCH, n_val)
    left = cap - candidates * BOOTSTRAP_RUNS
    trials = 1
    while batch * (trials + 1) + n_val * (2 + (trials + 1) // 5) <= left:
        trials += 1
    return trials


def _mipro(work: Work) -> Any:
    optimizer = dspy.MIPROv2(
        metric=work.metric,
        prompt_model=work.prompt_model,
        task_model=work.task_model,
        auto=None,
        num_candidates=work.candidates,
        max_bootstrapped_demos=DEMOS,
        max_labeled_demos=DEMOS,
        num_threads=work.threads,
        seed=work.seed,
    )
    return optimizer.compile(
        work.program,
        trainset=work.train,
        valset=work.val,
        num_trials=mipro_trials(work.cap, len(work.val), work.candidates),
        minibatch_size=min(MINIBATCH, len(work.val)),
    )


def _random_search(work: Work) -> Any:
    # It makes three candidates more than it is asked for.
    candidates = work.cap // (len(work.val) + BOOTSTRAP_RUNS) - 3
    optimizer = dspy.BootstrapFewShotWithRandomSearch(
        metric=work.metric,
        max_bootstrapped_demos=DEMOS,
        max_labeled_demos=DEMOS,
        num_candidate_programs=max(1, candidates),
        num_threads=work.threads,
    )
    # Its candidates are numbered, and the number is the seed: other rows first is the only other draw there is.
    shift = work.seed * 7 % len(work.train)
    return optimizer.compile(work.program, trainset=work.train[shift:] + work.train[:shift], valset=work.val)


def _copro(work: Work) -> Any:
    affordable = max(2, work.cap // (len(work.val) * len(work.program.predictors())))
    breadth = min(5, affordable)
    optimizer = dspy.COPRO(
        prompt_model=work.prompt_model, metric=work.metric, breadth=breadth, depth=max(1, affordable // breadth)
    )
    return optimizer.compile(work.program, trainset=work.val, eval_kwargs={"num_threads": work.threads})


def _gepa(work: Work) -> Any:
    wants = len(inspect.signature(work.metric).parameters)

    def metric(gold: Any, pred: Any, trace: Any = None, pred_name: Any = None, pred_trace: Any = None) -> Any:
        return work.metric(gold, pred) if wants == 2 else work.metric(gold, pred, None)

    optimizer = dspy.GEPA(
        metric=metric,
        max_metric_calls=work.cap,
        reflection_lm=work.prompt_model,
        num_threads=work.threads,
        seed=work.seed,
    )
    return optimizer.compile(work.program, trainset=work.train, valset=work.val)


def simba_steps(cap: int, n: int) -> tuple[int, int, int]:
    """(batch, candidates, steps) of SIMBA: its defaults of 32, 6 and 8, halved until the cap pays for two steps.

    A step runs each example of a batch once a candidate to sample and once a candidate to score; the end scores
    up to one program a candidate on all `n` rows.
    """
    batch, candidates = min(32, n), 6
    while True:
        steps = (cap - (candidates + 1) * n) // (batch * (2 * candidates + 1))
        if steps >= 2 or (batch <= 4 and candidates <= 2):
            return batch, candidates, max(1, min(8, steps))
        batch, candidates = max(4, batch // 2), max(2, candidates - 1)


def _simba(work: Work) -> Any:
    batch, candidates, steps = simba_steps(work.cap, len(work.val))
    optimizer = dspy.SIMBA(
        metric=work.metric,
        bsize=batch,
        num_candidates=candidates,
        max_steps=steps,
        prompt_model=work.prompt_model,
        num_threads=work.threads,
    )
    return optimizer.compile(work.program, trainset=work.val, seed=work.seed)


_PEERS: dict[str, Callable[[Work], Any]] = {
    "dspy.MIPROv2": _mipro,
    "dspy.BootstrapFewShotWithRandomSearch": _random_search,
    "dspy.COPRO": _copro,
    "dspy.GEPA": _gepa,
    "dspy.SIMBA": _simba,
}
