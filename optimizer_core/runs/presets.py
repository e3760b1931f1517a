"""Presets: budgets by name, and the way from what a person said to the settings a run uses.

`studio` is the studio's own. `paper` has the budgets of the MIPRO paper, `light`, `medium` and `heavy` those of
`dspy.MIPROv2(auto=...)` in DSPy 3.4 (reference cards 2 to 11). None of DSPy's are the paper's.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import dspy

from mipro_studio.optimizer_core.config import RunConfig, SearchSettings, parse_config
from mipro_studio.optimizer_core.config_paths import merge
from mipro_studio.optimizer_core.data import Dataset
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning.trainers import require_tunable
from mipro_studio.optimizer_core.optimizers.registry import Optimizer, get_optimizer
from mipro_studio.optimizer_core.programs.program import SAMPLE_PREFIX, Program
from mipro_studio.optimizer_core.runs.fit_cap import with_val_rows
from mipro_studio.optimizer_core.runs.plan import make_plan
from mipro_studio.optimizer_core.types import Split

__all__ = [
    "PRESETS",
    "Preset",
    "defaults_of",
    "get_preset",
    "merge",
    "most_rows",
    "preset_rows",
    "resolve",
    "trimmed",
]

PAPER_BATCH, PAPER_STEPS = 25, 10
"""Not in the paper. They are in its first released code, and they turn its budgets of 50, 30 and 20 full
evaluations into the trials of its tables: 333 on HotPotQA, 133 on HoVer, 200 on HotPotQA Conditional."""

DSPY_BATCH, DSPY_STEPS, DSPY_MIN_VAL = 35, 5, 50
"""MIPROv2's minibatches; with an `auto` setting it evaluates in full when the validation set is this small."""

Settings = dict[str, Any]


@dataclass(frozen=True)
class Preset:
    """`settings(optimizer, n_free, n_val, task)` are nested as in `RunConfig`; `max_val` caps the validation rows.

    `task` is the name of a sample program; "" for a person's own.
    """

    meaning: str
    settings: Callable[..., Settings]
    max_val: int | None = None


@dataclass(frozen=True)
class PaperTask:
    """What the paper gives for one of its tasks (section 4, Tables 3 and 4).

    Attributes:
        evaluations: The budget in full evaluations.
        n: Instructions and demo sets a module for MIPRO.
        n_half: The same for 0-shot MIPRO and Bayesian Bootstrap, which search one of the two.
    """

    evaluations: int
    n: int
    n_half: int


PAPER_TASKS: Mapping[str, PaperTask] = {
    "scone": PaperTask(50, 70, 70),
    "hotpotqa": PaperTask(50, 30, 60),
    "hover": PaperTask(20, 10, 15),
    "hotpotqa_conditional": PaperTask(30, 30, 35),
    "iris": PaperTask(30, 30, 50),
    "iris_typo": PaperTask(30, 30, 50),
    "heart_disease": PaperTask(30, 15, 30),
}


OF_A_CAP, FEWEST_ROWS = 10, 50
"""Validation rows are at most a cap on program runs divided by the one, and the other in any case."""

SMALL_CAP = 1_000
"""Program runs; under a cap of no more an optimizer may have other defaults."""

RACING_RUNS = 10
"""Program runs of a racing trial on average: 100 of them cost about as many as 30 minibatches of 35."""


def _studio(optimizer: Optimizer, n_free: int, n_val: int, task: str = "") -> Settings:
    return {}


def _paper(optimizer: Optimizer, n_free: int, n_val: int, task: str = "") -> Settings:
    """The paper's budget for `task`, in the optimizer's own coin. For a program that is none of its tasks: 50 full
    evaluations, 20 with more than two predictors (as HoVer), and N below T/v."""
    published = PAPER_TASKS.get(task)
    evaluations = published.evaluations if published else 50 if n_free <= 2 else 20
    search: Settings = {"labels": "random", "lag": 1}
    proposer = {"temperature": 0.7}
    if optimizer.in_full:  # candidates explored = trials (the caption of Table 4)
        search |= {"schedule": "full", "trials": evaluations, "candidates": evaluations + 1}
        if optimizer.name == "ca_opro":  # D and N are not published: as many rounds as use the budget up
            search["depth"] = -(-evaluations // (n_free * SearchSettings().breadth))
        return {"search": search, "proposer": proposer}
    # A validation set below the batch makes every trial a full evaluation, so that there are as many as in full.
    batch = min(PAPER_BATCH, n_val)
    trials = int(evaluations * n_val / (batch + n_val / PAPER_STEPS)) if n_val > batch else evaluations
    both = len(optimizer.searches) > 1
    if published is not None:
        candidates = published.n if both else published.n_half
    else:  # N is 30 for MIPRO and 60 for its halves where there are up to two modules
        candidates = max(2, min(30 if both else 60, trials // _variables(optimizer, n_free)))
    search |= {
        "schedule": "minibatch",
        "surrogate": "tpe",
        "trials": trials,
        "candidates": candidates,
        "minibatch_size": PAPER_BATCH,
        "full_eval_every": PAPER_STEPS,
    }
    return {"search": _for_a_race(search, optimizer, n_val), "proposer": proposer}


def _for_a_race(search: Settings, optimizer: Optimizer, n_val: int) -> Settings:
    """The studio's optimizer takes the numbers and the budget of a preset, and stays what it is otherwise."""
    if optimizer.name != "studio":
        return search
    size = min(search["minibatch_size"], n_val) if search["schedule"] == "minibatch" else n_val
    full = math.ceil(search["trials"] / search["full_eval_every"]) * (n_val - size)
    kept: Settings = {name: search[name] for name in ("candidates", "instructions") if name in search}
    return {**kept, "trials": max(1, (search["trials"] * size + full) // RACING_RUNS)}


def _dspy(n: int) -> Callable[..., Settings]:
    def settings(optimizer: Optimizer, n_free: int, n_val: int, task: str = "") -> Settings:
        variables = _variables(optimizer, n_free)
        search: Settings = {
            "lag": 1,
            "trials": int(max(2 * variables * math.log2(n), 1.5 * n)),
            "candidates": n,
            "max_bootstrapped": 4,
            "max_labeled": 4,
            "labels": "random",
        }
        if len(optimizer.searches) > 1:
            search["instructions"] = n // 2
        if optimizer.name == "gepa":
            calls = dspy.GEPA.auto_budget(cast(Any, None), n_free, n, n_val)  # what dspy.GEPA(auto=...) would spend
            search["trials"] = max(1, round(calls / n_val) - 1)
        if not optimizer.in_full:
            small = n_val <= DSPY_MIN_VAL
            search |= {
                "schedule": "full" if small else "minibatch",
                "surrogate": "tpe",
                "minibatch_size": DSPY_BATCH,
                "full_eval_every": DSPY_STEPS,
            }
        return {"search": _for_a_race(search, optimizer, n_val), "proposer": {"temperature": 1.0}}

    return settings


def _variables(optimizer: Optimizer, n_free: int) -> int:
    return max(1, n_free * len(optimizer.searches))


PRESETS: Mapping[str, Preset] = {
    "studio": Preset("The studio's own settings.", _studio),
    "paper": Preset(
        "The MIPRO paper's: 50 full evaluations' worth of program runs (its own number and N for each of its tasks; "
        "20 for another program of more than two predictors), spent on "
        f"minibatches of {PAPER_BATCH} with a full evaluation every {PAPER_STEPS} trials (inferred, not published), "
        "or on full evaluations by the optimizers that make only those.",
        _paper,
    ),
    "light": Preset("DSPy's MIPROv2 auto='light': n = 6, at most 100 validation rows.", _dspy(6), 100),
    "medium": Preset("DSPy's MIPROv2 auto='medium': n = 12, at most 300 validation rows.", _dspy(12), 300),
    "heavy": Preset("DSPy's MIPROv2 auto='heavy': n = 18, at most 1,000 validation rows.", _dspy(18), 1000),
}


def get_preset(name: str) -> Preset:
    """The preset called `name`.

    Raises:
        BadInput: there is none of that name.
    """
    if name not in PRESETS:
        raise BadInput(f"There is no preset {name!r}.", f"Use one of: {', '.join(PRESETS)}.")
    return PRESETS[name]


def resolve(config: RunConfig, program: Program, n_val: int, said: Mapping[str, Any] | None = None) -> RunConfig:
    """The settings a run uses: what the optimizer is, over what a person said, over the preset, over the defaults.

    Resolving twice changes nothing.

    Args:
        n_val: Validation rows there are.
        said: What a person said, nested; None = whatever is set in `config`.

    Raises:
        BadInput: no such optimizer or preset, or the optimizer does not work on the predictors that are free.
    """
    optimizer, preset = get_optimizer(config.optimizer), get_preset(config.preset)
    given = config.model_dump(exclude_unset=True)
    free = [info for info in program.predictors if info.name not in given.get("search", {}).get("freeze", ())]
    task = config.program.removeprefix(SAMPLE_PREFIX) if config.program.startswith(SAMPLE_PREFIX) else ""
    budget = preset.settings(optimizer, len(free), min(n_val, preset.max_val or n_val), task)
    budget = merge(budget, optimizer.under_preset.get(config.preset, {}))
    own = {name: part for name, part in (said or {}).items() if name in ("search", "proposer", "finetune")}
    defaults = defaults_of(config)
    layers = [defaults, budget, given, optimizer.fixed]
    if said is not None:  # what is set in `config` and not by the person is a sample's, and a preset goes over it
        layers = [defaults, given, budget, own, optimizer.fixed]
    merged: Settings = {}
    for layer in layers:
        merged = merge(merged, layer)
    resolved = parse_config(merged)
    optimizer.check(resolved, free)
    if optimizer.tunes(resolved):
        require_tunable(resolved, program)
    most = optimizer.work(resolved, len(free)).trials
    trials = most if optimizer.sets_trials else min(resolved.search.trials, most)
    settled: Settings = {"search": {"trials": trials}}
    if resolved.proposer.vary_temperature is None:
        asked = (given if said is None else said).get("proposer", {})
        # What an older studio stored names every setting and not this one; it always searched.
        stored = asked.keys() >= type(resolved.proposer).model_fields.keys() - {"vary_temperature"}
        settled["proposer"] = {"vary_temperature": stored or "temperature" not in asked}
    return parse_config(merge(merged, settled))


def defaults_of(config: RunConfig) -> Settings:
    """The settings that the run's optimizer has for whatever is left open, nested."""
    optimizer, cap = get_optimizer(config.optimizer), config.budget.max_program_runs
    small = cap is not None and cap <= SMALL_CAP
    return merge(optimizer.defaults, optimizer.under_small_cap if small else {})


def preset_rows(
    config: RunConfig, program: Program, sizes: Mapping[str, int], said: Mapping[str, Any]
) -> list[Settings]:
    """What every preset would mean for this request, in trials and in program runs, before anything is spent.

    Args:
        sizes: Rows by split.
        said: The settings that a person gave, which no preset changes.

    Returns:
        One row a preset: {preset, meaning, trials, candidates, minibatch_size, full_evaluations, program_runs,
        prompt_calls}, the last two as [at least, at most].
    """
    rows = []
    for name, preset in PRESETS.items():
        under = config.model_copy(update={"preset": name})
        n_val = min(sizes["val"], most_rows(under)[0] or sizes["val"])
        meant = resolve(under, program, n_val, said)
        plan = make_plan(meant, {**sizes, "val": n_val}, len(program.predictors), 0.0, 0.0)
        facts = {key: plan[key] for key in ("trials", "candidates", "minibatch_size", "full_evaluations")}
        runs, prompts = plan["program_runs"]["total"], plan["lm_calls"]["prompt"]
        rows.append(
            {"preset": name, "meaning": preset.meaning, **facts, "program_runs": runs, "prompt_calls": prompts}
        )
    return rows


def trimmed(data: Dataset, config: RunConfig) -> Dataset:
    """`data` with no more validation rows than `most_rows`, drawn by the run's seed."""
    most, why = most_rows(config)
    n_val = len(data.of(Split.VAL))
    if most is None or n_val <= most:
        return data
    note = f"{why} {most} of the {n_val} validation rows are used."
    return replace(with_val_rows(data, most, config.seed), warnings=(*data.warnings, note))


def most_rows(config: RunConfig) -> tuple[int | None, str]:
    """(validation rows that a run uses at most, why).

    With the studio's optimizer that is also a tenth of a cap on program runs: the baseline and the winner are each
    asked all of them, and under a small cap what is spent on that is missing in the search.
    """
    most, why = get_preset(config.preset).max_val, f"With the preset {config.preset!r}"
    cap = config.budget.max_program_runs
    if config.optimizer != "studio" or cap is None:
        return most, why
    of_cap = max(FEWEST_ROWS, cap // OF_A_CAP)
    return (most, why) if most is not None and most <= of_cap else (of_cap, f"Under a cap of {cap} program runs")
