"""What a cap on program runs pays for of a plan that is beyond it: fewer validation rows and fewer trials."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.data import Dataset
from mipro_studio.optimizer_core.optimizers.registry import get_optimizer
from mipro_studio.optimizer_core.plurals import plural
from mipro_studio.optimizer_core.proposers.teaching import OF_CAP
from mipro_studio.optimizer_core.runs.plan import make_plan
from mipro_studio.optimizer_core.seeds import generator
from mipro_studio.optimizer_core.types import Split

__all__ = ["fit_cap", "with_val_rows"]

SHARE = 6
"""A full evaluation may take one program run in so many of the cap: the baseline takes one, the winner another, and
what tells candidates apart comes out of the rest."""


def fit_cap(
    config: RunConfig, sizes: Mapping[str, int], n_predictors: int, chosen: Mapping[str, Any]
) -> tuple[RunConfig, dict[str, int], str]:
    """(settings, rows by split, what was left out in one sentence) of a run that its cap on program runs pays for.

    Nothing is left out where the cap pays for the least that the plan takes and one more full evaluation, without
    which there is no winner, or where a person chose the number of trials: then the cap ends the run.

    Args:
        config: As resolved.
        chosen: What a person said, nested.
    """
    cap, optimizer = config.budget.max_program_runs, get_optimizer(config.optimizer)
    if cap is None or not optimizer.evaluates or "trials" in chosen.get("search", {}):
        return config, dict(sizes), ""
    needs = _needs(config, sizes, n_predictors)
    if cap >= needs:
        return config, dict(sizes), ""
    fewer = {**sizes, Split.VAL.value: min(sizes[Split.VAL], max(2, cap // SHARE))}
    trials = config.search.trials
    if trials and not optimizer.sets_trials:
        trials = min(trials, _trials(config, fewer, n_predictors, cap))
    left = []
    if fewer[Split.VAL] < sizes[Split.VAL]:
        left.append(f"{fewer[Split.VAL]} of {sizes[Split.VAL]} validation rows, drawn by the seed")
    if trials < config.search.trials:
        left.append(f"{plural(trials, 'trial')} instead of {config.search.trials}")
    if not left:
        return config, fewer, ""
    said = f"The cap of {cap:,} program runs does not pay for the whole plan ({needs:,} at least)"
    search = config.search.model_copy(update={"trials": trials})
    return config.model_copy(update={"search": search}), fewer, f"{said}. The search takes {', and '.join(left)}."


def _needs(config: RunConfig, sizes: Mapping[str, int], n_predictors: int) -> int:
    """Program runs that the plan takes at least, with a full evaluation of one candidate beside the baseline."""
    search, runs = config.search, _planned(config, sizes, n_predictors)
    searched = 0 if search.schedule == "racing" else _least(runs["minibatch"]) + _least(runs["full"])
    return int(runs["least"]) + (sizes[Split.VAL] if search.schedule == "racing" and search.trials else searched)


def _trials(config: RunConfig, sizes: Mapping[str, int], n_predictors: int, cap: int) -> int:
    """How many trials the cap pays for beside rehearsal, baseline, teacher and one full evaluation at the end."""
    search, runs, n_val = config.search, _planned(config, sizes, n_predictors), sizes[Split.VAL]
    each = (_least(runs["minibatch"]) + _least(runs["full"])) / search.trials
    bootstrap = min(runs["bootstrap"][1], max(runs["bootstrap"][0], (cap - n_val) // OF_CAP))
    last = n_val if search.schedule == "racing" else 0
    return max(1, int((cap - runs["rehearsal"] - n_val - bootstrap - last) / max(each, 1)))


def _planned(config: RunConfig, sizes: Mapping[str, int], n_predictors: int) -> dict[str, Any]:
    return dict(make_plan(config, sizes, n_predictors, 0.0, 0.0)["program_runs"])


def _least(planned: int | list[int]) -> int:
    return planned if isinstance(planned, int) else planned[0]


def with_val_rows(data: Dataset, most: int, seed: int) -> Dataset:
    """`data` with `most` of its validation rows, drawn by the run's seed; all of them where it has no more."""
    rows = data.of(Split.VAL)
    if len(rows) <= most:
        return data
    kept = {row.id for row in generator(seed, "preset").sample(rows, most)}
    return replace(data, examples=tuple(row for row in data.examples if row.split is not Split.VAL or row.id in kept))
