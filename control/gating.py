"""A gate put together from what a person names, in a worker's process because it imports their program."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mipro_studio.control.exports import chosen
from mipro_studio.optimizer_core.config import JUDGE, Budget, RunConfig, parse_config
from mipro_studio.optimizer_core.config_paths import merge
from mipro_studio.optimizer_core.data import gather, load_dataset
from mipro_studio.optimizer_core.data.input_columns import check_inputs, columns_of, input_columns, optional_inputs
from mipro_studio.optimizer_core.data.program_fields import fields_of
from mipro_studio.optimizer_core.data.python_rows import python_rows
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.exports.export import load_saved, put_tuned_models
from mipro_studio.optimizer_core.gating.gate import BASELINE, CANDIDATE, Contest, GateResult, Pair, Rule, Ruling, hold
from mipro_studio.optimizer_core.metrics.judge import judge_scorer
from mipro_studio.optimizer_core.metrics.loading import load_metric
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_models import build_role_model, with_own_model
from mipro_studio.optimizer_core.parameters.seed_program import seed_program
from mipro_studio.optimizer_core.programs.module_copies import copy_module
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.programs.program_inputs import inputs_of
from mipro_studio.optimizer_core.programs.values import shown
from mipro_studio.optimizer_core.types import Example, Role, Split
from mipro_studio.storage import Reader

__all__ = ["gate"]

_DATA = ("inputs", "labels", "columns", "empty_is_answer", "delimiter", "encoding", "limit")


def gate(request: Mapping[str, Any]) -> dict[str, Any]:
    """Hold a gate.

    Args:
        request: {cwd, store, run, config, candidate, baseline, data, ruling, examples}: `config` holds settings that
            a person gave, over those of the run where one is named; `candidate` and `baseline` name a file, a
            candidate of the run, or nothing: the run's winner, and the program as it stands.

    Returns:
        {decision, reason, rule, ..., rows, used, left_out, means, paired, evidence, errors, usage, changed}: JSON.

    Raises:
        BadInput: something that is named cannot be had.
    """
    base = Path(request["cwd"])
    run = _Run.named(request)
    config = _config(request, run)
    program = seed_program(config, Path(config.base or base))
    config = with_own_model(config, {**(run.config if run else {}), **request["config"]}, program)
    rows = _rows(config, program, base)
    candidate = request["candidate"] or (run.winner if run else "")
    if not candidate:
        raise BadInput("Nothing says what is to be judged.", "Name a program's JSON with --candidate, or a run.")
    programs = {
        BASELINE: _named_program(request["baseline"], config, program, run, base),
        CANDIDATE: _named_program(candidate, config, program, run, base),
    }
    meter = Meter(config.budget, pause_after=config.pause_after, retry_budget=config.retry_budget)
    contest = Contest(
        programs=programs,
        role_models={
            which: build_role_model(config.task_model, Role.TASK, meter, config, program) for which in programs
        },
        scorer=_scorer(config, program, Path(config.base or base), meter),
        threads=config.threads,
        row_limit_s=config.row_limit_s,
        folders=config.folders,
        seed=config.seed,
    )
    asked = request["ruling"]
    ruling = Ruling(Rule(asked["rule"]), *(float(asked[name]) for name in ("margin", "confidence", "low", "high")))
    result = asyncio.run(hold(contest, rows, ruling))
    about = {"program": config.name or config.program, "candidate": candidate, "metric": contest.scorer.name}
    about |= {"baseline": request["baseline"] or "as it stands", "notes": _notes(result, run)}
    return {**about, **_told(result, ruling, request["examples"])}


def _notes(result: GateResult, run: "_Run | None") -> list[str]:
    seen = sum(pair.example.id in run.seen for pair in result.pairs) if run else 0
    if not seen:
        return []
    return [f"{seen} of the rows read were training or validation rows of the run: they flatter the candidate."]


@dataclass(frozen=True)
class _Run:
    """What a stored run brings: `seen` are the rows that its search has seen."""

    config: dict[str, Any]
    store: Path
    id: str
    winner: str
    seen: frozenset[str]

    @staticmethod
    def named(request: Mapping[str, Any]) -> "_Run | None":
        if not request["run"]:
            return None
        with Reader(Path(request["store"])) as reader:
            run_id = reader.run(request["run"]).id
            outcome = reader.outcome(run_id)
            seen = frozenset(row.id for row in reader.examples(run_id) if row.split is not Split.TEST)
            winner = (outcome and outcome.winner) or ""
            return _Run(dict(reader.config(run_id)), Path(request["store"]), run_id, winner, seen)


def _config(request: Mapping[str, Any], run: _Run | None) -> RunConfig:
    """The settings: of the run, under what a person gave. The run's caps do not hold here, nor are its rows used."""
    stored = dict(run.config) if run else {}
    if run:
        stored["data"] = {name: value for name, value in dict(stored.get("data", {})).items() if name in _DATA}
        stored["budget"] = Budget().model_dump()
    return parse_config(merge(stored, request["config"]))


def _scorer(config: RunConfig, program: Program, base: Path, meter: Meter) -> Scorer:
    if config.metric != JUDGE:
        return load_metric(config.metric, program, base, config.data.labels)
    return judge_scorer(config, build_role_model(config.model_for(Role.JUDGE), Role.JUDGE, meter, config, program))


def _rows(config: RunConfig, program: Program, base: Path) -> tuple[Example, ...]:
    """All rows of the data as one split."""
    spec = config.data.model_copy(update={"split": (0.0, 0.0, 1.0), "stratify": "none", "group": None})
    if spec.data and not Path(spec.data).is_absolute() and (base / spec.data).is_file():
        spec = spec.model_copy(update={"data": str(base / spec.data)})
    found = gather(spec, python_rows(base, inputs_of(program.module).types))
    inputs = spec.inputs or found.inputs or input_columns(program, columns_of(found, spec.columns))
    check_inputs(inputs, program)
    fields = fields_of(program.module, inputs, optional_inputs(program))
    return load_dataset(spec, found, fields, config.seed).examples


def _named_program(named: str, config: RunConfig, program: Program, run: _Run | None, base: Path) -> Any:
    """The program that `named` stands for, with the models that are its own.

    A file, a candidate of the run, which may have weights of its own, or nothing: the program as it stands.
    """
    if not named:
        return copy_module(program.module)
    path = (base / Path(named).expanduser()).resolve()
    if path.is_file():
        if path.suffix != ".json":
            raise BadInput(
                f"{named!r} is no JSON.", "Save the program with program.save('name.json'): no code is in it."
            )
        try:
            return load_saved(config, program, path)
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise BadInput(
                f"{named!r} is no saved program of {program.name!r}: {type(error).__name__}: {error}.",
                "Save one with program.save(path), or `export`.",
            ) from error
    if run is None:
        raise BadInput(f"{named!r} is no file here, and no run is named that could have such a candidate.")
    choice = chosen(run.store, run.id, named)
    put_tuned_models(choice.module, config, choice.program, choice.tuned)
    return choice.module


def _told(result: GateResult, ruling: Ruling, examples: int) -> dict[str, Any]:
    used = result.used
    changed = sorted((pair for pair in used if pair.difference), key=lambda pair: pair.difference)
    lost = [pair for pair in changed if pair.difference < 0][:examples]
    won = [pair for pair in reversed(changed) if pair.difference > 0][:examples]
    return {
        "decision": result.decision.value,
        "reason": result.reason,
        "rule": ruling.rule.value,
        "margin": ruling.margin,
        "confidence": ruling.confidence,
        "rows": result.rows,
        "used": len(used),
        "left_out": len(result.pairs) - len(used),
        "means": {which: result.mean(which) for which in (BASELINE, CANDIDATE)},
        "paired": dict(result.paired),
        "evidence": dict(result.evidence),
        "errors": {which: result.errors(which) for which in (BASELINE, CANDIDATE)},
        "calls": {which: usage.calls for which, usage in result.usage.items()},
        "cost_usd": {which: usage.cost_usd for which, usage in result.usage.items()},
        "lost": [_shown(pair) for pair in lost],
        "won": [_shown(pair) for pair in won],
    }


def _shown(pair: Pair) -> dict[str, Any]:
    def answer(which: str) -> dict[str, Any]:
        cell = pair.cells[which]
        said = cell.prediction if cell.error is None else {"error": cell.error_message}
        return {"score": cell.score, "answer": shown(dict(said))}

    return {
        "inputs": shown(dict(pair.example.inputs)),
        "labels": shown(dict(pair.example.labels)),
        BASELINE: answer(BASELINE),
        CANDIDATE: answer(CANDIDATE),
    }
