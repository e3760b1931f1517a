"""What a run will cost, from its real settings, before anything is spent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mipro_studio.optimizer_core.config import EMBEDDED, JUDGE, ModelSpec, RunConfig, SearchSettings
from mipro_studio.optimizer_core.optimizers import Work, get_optimizer
from mipro_studio.optimizer_core.stages import stages
from mipro_studio.optimizer_core.types import Role

__all__ = ["make_plan"]

CHARS_PER_TOKEN = 4
SCAFFOLD_TOKENS = 260
"""What DSPy's ChatAdapter adds to a prompt, roughly."""
DEMO_TOKENS = 25
"""What it adds to each demo."""


def make_plan(
    config: RunConfig, sizes: Mapping[str, int], n_predictors: int, row_chars: float, instruction_chars: float
) -> dict[str, Any]:
    """Planned program runs and model calls by role: [at least, at most] where they depend on what is found.

    Args:
        sizes: Rows by split.
        row_chars: Mean characters of a row, for the estimate of tokens (4 characters a token).
        instruction_chars: Mean characters of a seed instruction.

    Calls count one for each predictor in a program run; a predictor that is called twice counts more. Retries
    are not planned.
    """
    search = config.search
    n_train, n_val, n_test = (sizes.get(split, 0) for split in ("train", "val", "test"))
    n_searched = n_predictors - len(search.freeze)
    optimizer = get_optimizer(config.optimizer)
    work = optimizer.work(config, n_searched)
    if not optimizer.evaluates:
        n_val = n_test = 0
    cells = _cells(search, n_val)
    bootstrap = [min(work.bootstrapped, n_train), n_train] if work.bootstrapped else [0, 0]
    racing = search.schedule == "racing"
    program_runs: dict[str, Any] = {
        "bootstrap": bootstrap,
        "baseline": n_val,
        "minibatch": cells.minibatch if racing else cells.minibatch[1],
        "full": cells.full if racing else cells.full[1],
        "total": [
            n_val + bootstrap[0] + (cells.minibatch[0] if racing else 0),
            n_val + bootstrap[1] + cells.minibatch[1] + cells.full[1],
        ],
        "test": 2 * n_test,
    }
    calls = _lm_calls(config, program_runs, n_predictors)
    calls["prompt"] = _prompt_calls(config, work, (n_train, n_val), n_predictors)
    tokens = _tokens(config, calls, row_chars, instruction_chars)
    return {
        "trials": search.trials,
        "candidates": search.candidates,
        "minibatch_size": cells.size,
        "full_evaluations": cells.n_full + int(optimizer.evaluates),
        "program_runs": _cap(program_runs, config.budget.max_program_runs),
        "lm_calls": calls,
        "tokens": tokens,
        "usd": _usd(config, tokens),
        "caps": config.budget.model_dump(exclude_none=True),
        "notes": _notes(config, sizes, cells.size) if optimizer.evaluates else [],
    }


def _lm_calls(config: RunConfig, program_runs: Mapping[str, Any], n_predictors: int) -> dict[str, Any]:
    """By role, of the roles that take part in a program run."""
    bootstrap, total, test = (program_runs[name] for name in ("bootstrap", "total", "test"))
    calls: dict[str, Any] = {
        "task": [(runs - taught) * n_predictors for runs, taught in zip(total, bootstrap, strict=True)],
        "teacher": [runs * n_predictors for runs in bootstrap],
        "test": test * n_predictors,
    }
    if config.metric == JUDGE:
        judged = len(config.judge.criteria)
        calls["judge"] = [runs * judged for runs in total]
        calls["test"] += test * judged
    return calls


@dataclass(frozen=True)
class _Cells:
    """What a schedule asks for: [at least, at most] in small trials and in full evaluations beyond them."""

    size: int
    minibatch: list[int]
    full: list[int]
    n_full: int


def _cells(search: SearchSettings, n_val: int) -> _Cells:
    if search.schedule == "full":
        return _Cells(n_val, [0, search.trials * n_val], [0, 0], search.trials)
    if search.schedule == "minibatch":
        size = min(search.minibatch_size, n_val)
        n_full = math.ceil(search.trials / search.full_eval_every)
        return _Cells(size, [0, search.trials * size], [0, n_full * (n_val - size)], n_full)
    if n_val == 0:
        return _Cells(0, [0, 0], [0, 0], 0)
    size = min(search.step, n_val)
    # At most, every trial takes a candidate one stage further and each candidate goes all the way.
    parts = len(stages(n_val, size))
    n_full = min(search.finalists, search.trials)
    most = math.ceil(search.trials / parts) * n_val
    return _Cells(
        size, [search.trials * size, most], [0, n_full * (n_val - size)], n_full + math.ceil(search.trials / parts)
    )


def _prompt_calls(config: RunConfig, work: Work, rows: tuple[int, int], n_predictors: int) -> list[int]:
    n_train, n_val = rows
    switches = config.proposer
    if not work.grounded:
        reflections = config.search.trials * n_val // work.reflection_rows if work.reflection_rows else 0
        return [0, work.instructions + reflections]
    proposals = work.instructions
    batches = min(math.ceil(n_train / switches.view_data_batch_size), 10) if switches.dataset_summary else 0
    summary = batches + 1 if batches else 0
    described = 1 + n_predictors if switches.program_summary else 0
    least = min(summary, 7)  # five COMPLETEs after the first batch end it early
    return [least + described + proposals, summary + described + proposals]


def _cap(runs: dict[str, Any], cap: int | None) -> dict[str, Any]:
    if cap is not None:
        runs["total"] = [min(runs["total"][0], cap), min(runs["total"][1], cap)]
    return runs


def _tokens(
    config: RunConfig, calls: Mapping[str, Any], row_chars: float, instruction_chars: float
) -> dict[str, list[int]]:
    """Tokens by role, [at least, at most]: without demos, and with full demo sets. An estimate, rounded."""
    scaffold = 0 if config.task_model.model == EMBEDDED else SCAFFOLD_TOKENS
    bare = scaffold + (row_chars + instruction_chars) / CHARS_PER_TOKEN
    demo = row_chars / CHARS_PER_TOKEN + (DEMO_TOKENS if scaffold else 0)
    with_demos = bare + config.search.max_labeled * demo
    shown = SCAFFOLD_TOKENS + config.proposer.view_data_batch_size * row_chars / CHARS_PER_TOKEN + 600

    def span(number: Sequence[int], low: float, high: float) -> list[int]:
        return [round(number[0] * low), round(number[-1] * high)]

    judge = {"judge": span(calls["judge"], bare, bare)} if "judge" in calls else {}
    return {
        "task": span(calls["task"], bare, with_demos),
        **judge,
        "teacher": span(calls["teacher"], bare, with_demos),
        "prompt": span(calls["prompt"], SCAFFOLD_TOKENS, shown),
        "test": span([calls["test"]], bare, with_demos),
    }


def _usd(config: RunConfig, tokens: Mapping[str, Sequence[int]]) -> list[float] | None:
    """Dollars, where all prices are known. Replies are short beside prompts, so the input price is used."""
    total = [0.0, 0.0]
    for role, span in tokens.items():
        spec = config.model_for(Role(role) if role != "test" else Role.TASK)
        price = _input_price(spec)
        if price is None:
            return None
        total = [sum_ + count * price / 1e6 for sum_, count in zip(total, span, strict=True)]
    return [round(value, 4) for value in total]


def _input_price(spec: ModelSpec) -> float | None:
    return 0.0 if spec.model == EMBEDDED else spec.input_usd_per_mtok


def _notes(config: RunConfig, sizes: Mapping[str, int], minibatch: int) -> list[str]:
    search = config.search
    notes = []
    if search.schedule == "minibatch" and minibatch < search.minibatch_size:
        notes.append(
            f"The minibatch shrinks from {search.minibatch_size} to {minibatch}: the validation set has no more rows."
        )
    if not sizes.get("test"):
        notes.append("There is no test set, so nothing is sealed: expect the validation score to flatter.")
    if sizes.get("val", 0) < 20:
        notes.append(f"{sizes.get('val', 0)} validation examples tell candidates apart only when they differ a lot.")
    if search.schedule == "minibatch" and search.full_eval_every > search.trials > 0:
        notes.append("One full evaluation, after the last trial.")
    return notes
