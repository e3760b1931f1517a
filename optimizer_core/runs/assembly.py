"""Puts the parts of a run together from its settings and its journal."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mipro_studio.optimizer_core.cluster.ray_executor import ray_executor
from mipro_studio.optimizer_core.config import EMBEDDED, RunConfig
from mipro_studio.optimizer_core.data.python_rows import import_classes
from mipro_studio.optimizer_core.evaluation.cell_request import CellRunner
from mipro_studio.optimizer_core.evaluation.evaluator import Evaluator, Limits
from mipro_studio.optimizer_core.evaluation.executor import Executor, ThreadExecutor
from mipro_studio.optimizer_core.evaluation.journal import Journal
from mipro_studio.optimizer_core.evaluation.placement import usable_processors
from mipro_studio.optimizer_core.evaluation.pool import WorkPool
from mipro_studio.optimizer_core.evaluation.process_executor import ProcessExecutor
from mipro_studio.optimizer_core.evaluation.recorder import Recorder
from mipro_studio.optimizer_core.evaluation.runner_assembly import build_runner
from mipro_studio.optimizer_core.evaluation.score_table import ScoreTable
from mipro_studio.optimizer_core.evaluation.worker_process import Place
from mipro_studio.optimizer_core.finetuning.trainers import trainer_choice, trainer_for, training_settings
from mipro_studio.optimizer_core.finetuning.tuner import PAID_USD, Tuner
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_models import build_role_model, chosen_models
from mipro_studio.optimizer_core.models.sharing.call_limits import CallLimits
from mipro_studio.optimizer_core.optimizers.context import RunContext
from mipro_studio.optimizer_core.optimizers.registry import get_optimizer
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.parameters.seed_program import seed_program
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.proposers.proposer import Proposer
from mipro_studio.optimizer_core.runs.ablation import Ablation
from mipro_studio.optimizer_core.runs.presets import resolve
from mipro_studio.optimizer_core.runs.run import Ending, Run
from mipro_studio.optimizer_core.secrets import Scrubber
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.sources import is_live
from mipro_studio.optimizer_core.types import Cell, CellKey, ErrorClass, Example, Role, Split

__all__ = ["EXECUTORS", "Assembled", "Past", "assemble", "needs_weights"]

EXECUTORS: Mapping[str, Callable[[Place, WorkPool, CellRunner], Executor]] = {
    "threads": lambda place, pool, runner: ThreadExecutor(pool, runner),
    "processes": lambda place, pool, runner: ProcessExecutor(
        place, place.config.processes or usable_processors(), pool
    ),
    "ray": lambda place, pool, runner: ray_executor(place, pool),
}
"""How each executor is made, by what the setting `executor` calls it: in a running event loop, from what processes
are started with, the run's threads, and what fills cells in this process."""


@dataclass(frozen=True)
class Assembled:
    """A run ready to be executed. Must be made inside the event loop that executes it."""

    run: Run
    context: RunContext
    pool: WorkPool
    executor: Executor


@dataclass(frozen=True)
class Past:
    """What a new life of a run must know beside the journal.

    Attributes:
        spent_s: Wall seconds of earlier lives, for the cap on minutes.
        approved: The review gate is open.
        approvals: How many times a person has said go at one; what gates later in a run go by.
        jobs: Folder in which weights are tuned, which outlives the run's lives.
        again: Cells that failed in a life that was given up. Somebody has mended something since: they are asked for
            again.
        completed: How the run ended, where it is completed.
    """

    spent_s: float = 0.0
    approved: bool = True
    approvals: int = 0
    again: Collection[CellKey] = ()
    jobs: Path = Path("finetuning")
    completed: Ending | None = None


def _stands(cell: Cell, past: Past, config: RunConfig) -> bool:
    """Whether a cell of an earlier life is as it is; a failure after which somebody has mended something is not."""
    despite = config.despite_errors and cell.error not in (ErrorClass.AUTH, ErrorClass.MODEL)
    return cell.error is None or cell.key not in past.again or despite


def assemble(
    config: RunConfig,
    journal: Journal,
    base: Path,
    past: Past = Past(),
    *,
    scrubber: Scrubber | None = None,
) -> Assembled:
    """Everything a life of a run needs.

    Args:
        base: Folder that the program's and metric's paths are relative to.
        scrubber: Hides keys in all that is written.

    Raises:
        BadInput: program, metric, model or optimizer cannot be had.
    """
    program = seed_program(config, base)
    rows = list(journal.examples())
    import_classes(config.data, rows, base)
    examples = _by_split(rows)
    config = resolve(config, program, len(examples[Split.VAL]))
    optimizer = get_optimizer(config.optimizer)
    meter = _meter(config, journal, past)
    prompt = build_role_model(config.model_for(Role.PROMPT), Role.PROMPT, meter, config, program)
    pool = WorkPool(config.threads)
    recorder = Recorder(journal, meter, scrubber)
    table = ScoreTable(cell for cell in journal.cells() if _stands(cell, past, config))
    limits = Limits(config.budget.max_program_runs, config.row_limit_s, config.despite_errors)
    executor = _executor(config, base, meter, pool, program)
    evaluator = Evaluator(executor, recorder, table, limits)
    memory = {call.key: call for call in journal.prompt_calls()}
    context = RunContext(
        config=config,
        program=program,
        examples=examples,
        arms=Arms(program, chosen_models(config, program), config.folders),
        table=table,
        journal=journal,
        recorder=recorder,
        evaluator=evaluator,
        proposer=Proposer(config.proposer, prompt, pool, recorder, memory, config.seed),
        meter=meter,
        approvals=past.approvals,
        tuner=_tuner(config, past.jobs, pool, recorder, meter) if optimizer.tunes(config) else None,
        searches=optimizer.searched(config),
        takes=optimizer.accepts(config),
        drops=optimizer.drops,
    )
    run = Run(context, optimizer, executor, past.approved)
    if config.ablate and past.completed is not None:
        run = Ablation(context, optimizer, executor, past.completed)
    return Assembled(run, context, pool, executor)


def _meter(config: RunConfig, journal: Journal, past: Past) -> Meter:
    """What the run has spent, its caps, and the limits of its endpoints."""
    meter = Meter(config.budget, journal.spent(), past.spent_s, config.pause_after, config.retry_budget)
    meter.beside_usd = sum(tuning.facts.get(PAID_USD) or 0.0 for tuning in journal.tunings())
    meter.limits = CallLimits(config.threads, finds=config.pace == "found")
    return meter


def _executor(config: RunConfig, base: Path, meter: Meter, pool: WorkPool, program: Program) -> Executor:
    """Whatever runs the program; auto is decided by the check, and means threads where there was none."""
    runner = build_runner(config, program, base, meter)  # bad input is heard of here, wherever rows will be run
    name = config.executor
    if name == "auto":
        name = "threads" if config.row_memory_mb is None else "processes"
    if is_live(config.program) or is_live(config.metric):
        name = "threads"
    return EXECUTORS[name](Place(config, base, meter), pool, runner)


def _tuner(config: RunConfig, jobs: Path, pool: WorkPool, recorder: Recorder, meter: Meter) -> Tuner:
    settings = training_settings(config.finetune, derive_seed(config.seed, "tuning"))
    price = config.finetune.usd_per_mtok
    return Tuner(trainer_choice(config), settings, lambda: trainer_for(config, jobs), pool, recorder, meter, price)


def needs_weights(config: RunConfig) -> bool:
    """Whether any role, or predictor, is played by the embedded model."""
    return any(spec.model == EMBEDDED for spec in config.specs)


def _by_split(examples: Sequence[Example]) -> dict[Split, list[Example]]:
    ordered = sorted(examples, key=lambda example: example.position)
    return {split: [example for example in ordered if example.split is split] for split in Split}
