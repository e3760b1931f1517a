"""What a run will cost, from its real settings, before anything is spent."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mipro_studio.optimizer_core.config import EMBEDDED, JUDGE, RunConfig, SearchSettings
from mipro_studio.optimizer_core.finetuning.forecast import tuning_forecast
from mipro_studio.optimizer_core.models.engines import prices_usd_per_token
from mipro_studio.optimizer_core.optimizers.registry import Work, get_optimizer
from mipro_studio.optimizer_core.parameters.tools import TOOLS
from mipro_studio.optimizer_core.plurals import plural
from mipro_studio.optimizer_core.search.stages import stages
from mipro_studio.optimizer_core.types import Role

__all__ = ["REHEARSAL_ROWS", "make_plan", "planned_anew"]

REHEARSAL_ROWS = 2
"""Training rows that the program is run on before all else (`rehearsal`)."""

CHARS_PER_TOKEN = 4
SCAFFOLD_TOKENS = 260
"""What DSPy's ChatAdapter adds to a prompt, roughly."""
DEMO_TOKENS = 25
"""What it adds to each demo."""
REPLY_TOKENS, WRITTEN_TOKENS = (10, 250), (60, 400)
"""A reply of a program's model, and one of the prompt model, roughly: short and long."""


def make_plan(
    config: RunConfig,
    sizes: Mapping[str, int],
    n_predictors: int,
    row_chars: float,
    instruction_chars: float,
    n_agents: int = 0,
) -> dict[str, Any]:
    """Planned program runs and model calls by role: [at least, at most] where they depend on what is found.

    Args:
        sizes: Rows by split.
        row_chars: Mean characters of a row, for the estimate of tokens (4 characters a token).
        instruction_chars: Mean characters of a seed instruction.
        n_agents: Predictors that are not frozen and have tools.

    Calls count one for each predictor in a program run; a predictor that is called twice counts more. At most, every
    reply is asked for once more because it cannot be read. Retries after failures are not planned.

    `facts` is what `planned_anew` needs to make the plan of a run whose settings have changed.
    """
    optimizer = get_optimizer(config.optimizer)
    work = _work(config, n_predictors, n_agents)
    n_train, n_val, n_test = (sizes.get(split, 0) for split in ("train", "val", "test"))
    if not optimizer.evaluates:
        n_val = n_test = 0
    cells = _cells(config.search, n_val)
    program_runs = _program_runs(work, cells, (n_train, n_val, n_test), config.search.schedule == "racing")
    calls = _lm_calls(config, program_runs, n_predictors, n_test)
    calls["prompt"] = _prompt_calls(config, work, (n_train, n_val), n_predictors)
    tokens = _tokens(config, calls, row_chars, instruction_chars)
    plan: dict[str, Any] = {
        "trials": config.search.trials,
        "candidates": config.search.candidates,
        "minibatch_size": cells.size,
        "full_evaluations": cells.n_full + int(optimizer.evaluates),
        "program_runs": _cap(program_runs, config.budget.max_program_runs),
        "lm_calls": calls,
        "tokens": {role: spans.both for role, spans in tokens.items()},
        "usd": _usd(config, tokens),
        "usd_before_test": _usd(config, {role: spans for role, spans in tokens.items() if not Role(role).sealed}),
        "caps": config.budget.model_dump(exclude_none=True),
        "facts": {
            "sizes": dict(sizes), "n_predictors": n_predictors, "row_chars": row_chars,
            "instruction_chars": instruction_chars, "n_agents": n_agents,
        },
    }  # fmt: skip
    notes = _notes(config, sizes, cells.size) if optimizer.evaluates else []
    if work.tunings:
        rows = n_train * (1 if config.finetune.owner == "predictor" else n_predictors)
        plan["tuning"] = tuning_forecast(config, work.tunings, rows, row_chars + instruction_chars)
        notes = [plan["tuning"]["text"], *notes]
    return {**plan, "notes": [*notes, *_cap_notes(config, plan)]}


def _work(config: RunConfig, n_predictors: int, n_agents: int) -> Work:
    """What the optimizer does before the search and in it."""
    optimizer = get_optimizer(config.optimizer)
    work = optimizer.work(config, n_predictors - len(config.search.freeze))
    if TOOLS not in optimizer.searched(config):
        return work
    written = n_agents * ((config.search.instructions or config.search.candidates) - 1)
    return replace(work, instructions=work.instructions + written)


def planned_anew(config: RunConfig, plan: Mapping[str, Any]) -> dict[str, Any]:
    """The plan under changed settings; `plan` itself where an older studio made it."""
    return make_plan(config, **plan["facts"]) if "facts" in plan else dict(plan)


def _program_runs(work: Work, cells: "_Cells", sizes: tuple[int, int, int], racing: bool) -> dict[str, Any]:
    n_train, n_val, n_test = sizes
    bootstrap = [min(work.bootstrapped, n_train), n_train * work.tries] if work.bootstrapped else [0, 0]
    traces = work.traces * n_train
    # What reflects finishes what it has begun when its budget is spent: a proposal and its evaluation.
    overrun = n_val + work.reflection_rows if work.reflection_rows else 0
    rehearsal = min(REHEARSAL_ROWS, n_train) if n_val or work.bootstrapped else 0
    least = rehearsal + n_val + bootstrap[0] + (cells.minibatch[0] if racing else 0)
    return {
        "rehearsal": rehearsal,
        "bootstrap": bootstrap,
        "traces": traces,
        "baseline": n_val,
        "minibatch": cells.minibatch if racing else cells.minibatch[1],
        "full": cells.full if racing else cells.full[1],
        "least": least,
        "total": [least, rehearsal + n_val + bootstrap[1] + traces + cells.minibatch[1] + cells.full[1] + overrun],
        "test": work.tested * n_test,
    }


def _lm_calls(
    config: RunConfig, program_runs: Mapping[str, Any], n_predictors: int, n_test: int
) -> dict[str, list[int]]:
    """By role, of the roles that take part in a program run."""
    bootstrap, total, test = (program_runs[name] for name in ("bootstrap", "total", "test"))
    tested = (n_test, test)  # the baseline alone, where it wins
    judged = len(config.judge.criteria)
    task, teacher, judge = (_asked(config, role) for role in (Role.TASK, Role.TEACHER, Role.JUDGE))
    calls = {
        "task": [
            (runs - taught) * n_predictors * times for runs, taught, times in zip(total, bootstrap, task, strict=True)
        ],
        "teacher": [runs * n_predictors * times for runs, times in zip(bootstrap, teacher, strict=True)],
        "test": [runs * n_predictors * times for runs, times in zip(tested, task, strict=True)],
    }
    if config.metric == JUDGE:
        calls["judge"] = [runs * judged * times for runs, times in zip(total, judge, strict=True)]
        calls["judge_test"] = [runs * judged * times for runs, times in zip(tested, judge, strict=True)]
    return calls


def _asked(config: RunConfig, role: Role) -> tuple[int, int]:
    """How often a model is asked for one reply: DSPy's adapters ask once more, in JSON, for one they cannot read."""
    runs_program = role in (Role.TASK, Role.TEACHER)
    if runs_program and config.adapter == "two_step":
        return 2, 3
    own_adapter = config.model_for(role).model == EMBEDDED and (config.adapter == "auto" or not runs_program)
    return (1, 1) if own_adapter else (1, 2)


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
    if work.reflection_rows:  # asked as they are, without an adapter; one may be under way when the budget is spent
        return [0, work.instructions + config.search.trials * n_val // work.reflection_rows + 1]
    times = _asked(config, Role.PROMPT)[1]
    if not work.grounded:
        return [0, work.instructions * times]
    proposals = work.instructions
    batches = min(math.ceil(n_train / switches.view_data_batch_size), 10) if switches.dataset_summary else 0
    summary = batches + 1 if batches else 0
    described = 1 + n_predictors if switches.program_summary else 0
    least = min(summary, 7)  # five COMPLETEs after the first batch end it early
    return [least + described + proposals, (summary + described + proposals) * times]


def _cap(runs: dict[str, Any], cap: int | None) -> dict[str, Any]:
    if cap is not None:
        runs["total"] = [min(runs["total"][0], cap), min(runs["total"][1], cap)]
    return runs


@dataclass(frozen=True)
class _Spans:
    """Tokens of a role's prompts and replies: (at least, at most)."""

    prompts: tuple[float, float]
    replies: tuple[float, float]

    @property
    def both(self) -> list[int]:
        return [round(prompt + reply) for prompt, reply in zip(self.prompts, self.replies, strict=True)]

    def usd(self, prices: tuple[float, float]) -> list[float]:
        """Dollars at (input, output) prices a token."""
        pairs = zip(self.prompts, self.replies, strict=True)
        return [prompt * prices[0] + reply * prices[1] for prompt, reply in pairs]


def _tokens(
    config: RunConfig, calls: Mapping[str, Sequence[int]], row_chars: float, instruction_chars: float
) -> dict[str, _Spans]:
    """By role, at least without demos and with short replies, at most with full demo sets. An estimate."""
    scaffold = 0 if config.task_model.model == EMBEDDED else SCAFFOLD_TOKENS
    bare = scaffold + (row_chars + instruction_chars) / CHARS_PER_TOKEN
    demo = row_chars / CHARS_PER_TOKEN + (DEMO_TOKENS if scaffold else 0)
    with_demos = bare + config.search.max_labeled * demo
    shown = SCAFFOLD_TOKENS + config.proposer.view_data_batch_size * row_chars / CHARS_PER_TOKEN + 600
    prompts = {"prompt": (SCAFFOLD_TOKENS, shown), "judge": (bare, bare), "judge_test": (bare, bare)}

    def spans(role: str) -> _Spans:
        (least, most), (low, high) = calls[role], prompts.get(role, (bare, with_demos))
        reply = WRITTEN_TOKENS if role == "prompt" else REPLY_TOKENS
        return _Spans((least * low, most * high), (least * reply[0], most * reply[1]))

    return {role.value: spans(role.value) for role in Role if role.value in calls}


def _usd(config: RunConfig, tokens: Mapping[str, _Spans]) -> list[float] | None:
    """Dollars, where all prices are known."""
    total = [0.0, 0.0]
    for role, spans in tokens.items():
        prices = prices_usd_per_token(config.model_for(Role(role)))
        if prices is None:
            return None
        total = [before + more for before, more in zip(total, spans.usd(prices), strict=True)]
    return [round(value, 4) for value in total]


def _cap_notes(config: RunConfig, plan: Mapping[str, Any]) -> list[str]:
    """What caps are too low for, before anything is spent. The sealed test is under none."""
    capped = [role for role in plan["lm_calls"] if not Role(role).sealed]
    least = {
        "program runs": (config.budget.max_program_runs, plan["program_runs"]["least"]),
        "LM calls": (config.budget.max_lm_calls, sum(plan["lm_calls"][role][0] for role in capped)),
        "tokens": (config.budget.max_tokens, sum(plan["tokens"][role][0] for role in capped)),
        "dollars": (config.budget.max_usd, plan["usd_before_test"] and plan["usd_before_test"][0]),
    }
    return [
        f"The cap of {cap:,} {what} is below the {planned:,} that the run takes at least: it will end early, and may "
        "have no winner."
        for what, (cap, planned) in least.items()
        if cap is not None and planned is not None and cap < planned
    ]


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
        few = plural(sizes.get("val", 0), "validation example tells", "validation examples tell")
        notes.append(f"{few} candidates apart only when they differ a lot.")
    if search.schedule == "minibatch" and search.full_eval_every > search.trials > 0:
        notes.append("One full evaluation, after the last trial.")
    return notes
