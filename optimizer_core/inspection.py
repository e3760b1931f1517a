"""A look at a request before anything is created: does it import, what is in it, what would it cost.

Runs in a process of its own, because it imports a person's code. What it returns is JSON.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.analysis.learned import LEARN, check_carried
from mipro_studio.optimizer_core.checks.check_calls import about_rehearsal, call_models
from mipro_studio.optimizer_core.checks.check_rehearsal import Rehearsal
from mipro_studio.optimizer_core.checks.receipt import receipt
from mipro_studio.optimizer_core.checks.unbound_caps import require_prices, unbound_caps
from mipro_studio.optimizer_core.config import EMBEDDED, JUDGE, RunConfig, parse_config
from mipro_studio.optimizer_core.data import Dataset, data_report, gather, gathered_rows, load_dataset
from mipro_studio.optimizer_core.data.input_columns import check_inputs, columns_of, input_columns, optional_inputs
from mipro_studio.optimizer_core.data.program_fields import fields_of
from mipro_studio.optimizer_core.data.python_rows import python_rows
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.evaluation.placement import CHOSEN, Placement, place, usable_processors
from mipro_studio.optimizer_core.metrics.built_in import BUILT_IN
from mipro_studio.optimizer_core.metrics.judge import judge_scorer
from mipro_studio.optimizer_core.metrics.label_score import (
    input_misfits,
    label_score,
    misfits,
    output_types,
    unanswered,
)
from mipro_studio.optimizer_core.metrics.loading import load_metric
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.models.role_models import (
    adapter_name,
    model_name,
    overridden,
    own_model,
    own_models,
    role_models_of,
    with_own_model,
)
from mipro_studio.optimizer_core.parameters.saved_state import read_saved
from mipro_studio.optimizer_core.parameters.seed_program import seed_program
from mipro_studio.optimizer_core.programs.program import SAMPLE_PREFIX, Program
from mipro_studio.optimizer_core.programs.program_inputs import inputs_of
from mipro_studio.optimizer_core.programs.tool_holders import holders
from mipro_studio.optimizer_core.programs.values import shown
from mipro_studio.optimizer_core.runs.assembly import needs_weights
from mipro_studio.optimizer_core.runs.draft_plan import Facts
from mipro_studio.optimizer_core.runs.fit_cap import fit_cap, with_val_rows
from mipro_studio.optimizer_core.runs.plan import make_plan
from mipro_studio.optimizer_core.runs.presets import merge, preset_rows, resolve, trimmed
from mipro_studio.optimizer_core.sources import is_module_object
from mipro_studio.optimizer_core.types import Role, Split
from mipro_studio.sample_programs import CATALOG, Sample

__all__ = ["inspect_request"]

PREVIEW_ROWS = 5
METRIC_TRIES = 3
LABEL_ROWS = 200


def inspect_request(
    values: dict[str, Any], base: Path, *, call_models: bool = True, rehearse: bool = True
) -> dict[str, Any]:
    """Everything a person should know before starting: {name, config, program, metric, data, plan, receipt, ...}.

    Args:
        values: Settings as far as a person gave them; a sample fills in its own for the rest.
        base: Folder that paths are relative to.
        call_models: Make one short call to every endpoint, which is the only way to know that its name and key are
            right; the rehearsal makes it unnecessary for those that take part in it.
        rehearse: Run the program on a training row or two (`rehearsal`), where models may be called.

    Raises:
        BadInput: it cannot work; one sentence says why.
    """
    asked = parse_config({**values, "program": values.get("program", "")})
    config, rows, inputs = _with_defaults(values, asked)
    config = _absolute(config, base)
    if config.start_from and not config.start_state:  # what a registry holds was fetched before
        config = config.model_copy(update={"start_state": read_saved(config.start_from, base)})
    program = seed_program(config, base)
    config = _with_carried(config, base, program)
    try:
        return _inspected(values, config, base, program, (rows, inputs), (call_models, call_models and rehearse))
    except BadInput as error:
        error.fields = _fields(program)
        raise


def _inspected(
    values: dict[str, Any],
    config: RunConfig,
    base: Path,
    program: Program,
    own: tuple[list[dict[str, Any]] | None, tuple[str, ...]],
    calls: tuple[bool, bool],
) -> dict[str, Any]:
    """What `inspect_request` answers, once the program is loaded; `own`: a sample's rows and inputs; `calls`: whether
    models are called, and the program is run."""
    config = with_own_model(config, values, program)
    role_models = role_models_of(config, program)
    sample = _sample(config)
    data = _dataset(config, base, program, own)
    config = _told(config, data)
    scorer = _scorer(config, program, base, role_models)
    _check_sizes(data, config)
    _check_freeze(config, program)
    require_prices(config, role_models, _brought(config, program))
    sizes = _sizes(data)
    facts = Facts(program.predictors, sizes, _row_chars(data), _instruction_chars(program), _fields(program))
    presets = preset_rows(config, program, sizes, values)
    data = trimmed(data, config)
    config = resolve(config, program, len(data.of(Split.VAL)), values)
    misfitting = input_misfits(data.examples[:LABEL_ROWS], inputs_of(program.module).types)
    warnings = [*program.remarks, *data.warnings, *misfitting]
    warnings += [*_beyond_embedded(sample, config, values), *overridden(config, program)]
    config, data, plan = _planned(config, program, data, facts, values)
    rehearsal = Rehearsal()
    if calls[0]:
        rehearse = calls[1] and bool(plan["program_runs"]["rehearsal"])
        config, rehearsal, said = call_models(config, data, base, role_models, rehearse=rehearse)
        warnings += said
    config, placement = _placed(config, rehearsal, plan)
    if config.metric in BUILT_IN:
        warnings += unanswered(config.data.labels, rehearsal.cells, scorer.name)
    return {
        "name": config.name or program.name,
        "config": config.model_dump(mode="json"),
        "program": _about_program(program),
        "metric": {"name": scorer.name},
        "data": _about_data(data, _sizes(data)) | {"report": _report(config, scorer, program, data)},
        "plan": plan,
        "presets": presets,
        "facts": asdict(facts),
        "receipt": receipt(config, values, program, scorer, data, placement),
        "warnings": warnings,
        "consent": unbound_caps(config, role_models, rehearsal.spending, _brought(config, program)),
        "needs_weights": needs_weights(config),
        "records": [asdict(example) for example in data.examples],
        **about_rehearsal(rehearsal, config),
    }


def _fields(program: Program) -> dict[str, list[str]]:
    """What a row may be asked for: the names that the program is called with, and what it puts out at its end."""
    outputs = fields_of(program.module, (), frozenset()).outputs
    return {"inputs": list(inputs_of(program.module).types), "outputs": list(outputs)}


def _sizes(data: Dataset) -> dict[str, int]:
    return {split.value: len(data.of(split)) for split in Split}


def _planned(
    config: RunConfig, program: Program, data: Dataset, facts: Facts, values: dict[str, Any]
) -> tuple[RunConfig, Dataset, dict[str, Any]]:
    """The plan, with the settings and the rows that fit the caps."""
    n_predictors = len(program.predictors)
    config, sizes, left_out = fit_cap(config, _sizes(data), n_predictors, values)
    data = with_val_rows(data, sizes[Split.VAL], config.seed)
    agents = [one.owner for one in holders(program.module) if one.owner not in config.search.freeze]
    plan = make_plan(config, sizes, n_predictors, facts.row_chars, facts.instruction_chars, len(agents))
    plan["notes"] = [*([left_out] if left_out else []), *plan["notes"]]
    return config, data, plan


def _dataset(
    config: RunConfig, base: Path, program: Program, own: tuple[list[dict[str, Any]] | None, tuple[str, ...]]
) -> Dataset:
    """The rows of a person, or the sample's own, as examples of the program."""
    rows, inputs = own
    sample = _sample(config)
    found = (
        gather(config.data, python_rows(base, inputs_of(program.module).types))
        if rows is None
        else gathered_rows(rows, sample.split_column if sample is not None else None, config.data.limit)
    )
    columns = columns_of(found, config.data.columns)
    inputs = config.data.inputs or found.inputs or inputs or input_columns(program, columns)
    check_inputs(inputs, program)
    fields = fields_of(program.module, inputs, optional_inputs(program))
    return load_dataset(config.data, found, fields, config.seed, labels_needed=config.metric != JUDGE)


def _placed(config: RunConfig, rehearsal: Rehearsal, plan: dict[str, Any]) -> tuple[RunConfig, Placement | None]:
    """The settings with where rows are to run, which `plan` is told where it was measured."""
    placement = place(config, rehearsal.work, usable_processors())
    if placement is None:
        return config, None
    if rehearsal.work and placement.why != CHOSEN:
        plan["notes"] = [*plan["notes"], placement.why]
    return config.model_copy(update=placement.settings), placement


def _about_program(program: Program) -> dict[str, Any]:
    own = own_models(program)
    return {
        "name": program.name,
        "doc": (type(program.module).__doc__ or "").strip(),
        "source": program.source,
        "predictors": [
            {**asdict(info), "instructions": info.instruction, "model": model_name(own.get(info.name))}
            for info in program.predictors
        ],
        "adapter": adapter_name(program.configured.get("adapter")),
        "model": model_name(own_model(program)),
    }


def _report(config: RunConfig, scorer: Scorer, program: Program, data: Dataset) -> dict[str, Any]:
    """See `data_report`. A metric of a person's own is only tried on a few rows: it may take its time."""
    built_in = config.metric in BUILT_IN
    rows = data.examples[: LABEL_ROWS if built_in else METRIC_TRIES]
    types = output_types(program.module)
    given = None if config.metric == JUDGE else label_score(scorer, rows, types)
    return data_report(
        data, scorer.name, built_in, given, misfits(data.roles.labels, rows, types) if built_in else ()
    )


def _about_data(data: Dataset, sizes: Mapping[str, int]) -> dict[str, Any]:
    return {
        "n_rows": len(data.examples),
        "columns": list(data.columns),
        "inputs": list(data.roles.inputs),
        "labels": list(data.roles.labels),
        "splits": sizes,
        "stratified_by": data.stratified_by,
        "preview": [shown({**row.inputs, **row.labels}) for row in data.examples[:PREVIEW_ROWS]],
    }


def _scorer(config: RunConfig, program: Program, base: Path, role_models: dict[str, RoleModel]) -> Scorer:
    if config.metric == JUDGE:
        return judge_scorer(config, role_models[config.model_for(Role.JUDGE).model_dump_json()])
    return load_metric(config.metric, program, base, config.data.labels)


def _brought(config: RunConfig, program: Program) -> list[Any]:
    """Models that the program sets for predictors and that nobody chose another for."""
    return [lm for name, lm in own_models(program).items() if name not in config.models]


def _told(config: RunConfig, data: Dataset) -> RunConfig:
    """The settings with the inputs and labels that were found, so that a worker takes the same."""
    found = {"inputs": data.roles.inputs, "labels": data.roles.labels}
    return config.model_copy(update={"data": config.data.model_copy(update=found)})


def _with_defaults(
    values: dict[str, Any], asked: RunConfig
) -> tuple[RunConfig, list[dict[str, Any]] | None, tuple[str, ...]]:
    """The settings with a sample's own filled in where the person said nothing, its rows and inputs."""
    sample = _sample(asked)
    if sample is None:
        return asked, None, ()
    merged = merge(sample.defaults, values)
    own_data = not any((asked.data.data, asked.data.train))
    if own_data:
        merged["data"] = merge({"split": sample.split, "stratify": sample.stratify}, merged.get("data", {}))
    try:
        rows = sample.rows() if own_data else None
    except FileNotFoundError as error:
        raise BadInput(str(error)) from error
    return parse_config(merged), rows, tuple(sample.inputs)


def _sample(config: RunConfig) -> Sample | None:
    """The sample that the request names; None when it names a program of the person's own."""
    if not config.program.startswith(SAMPLE_PREFIX):
        return None
    sample = CATALOG.get(config.program.removeprefix(SAMPLE_PREFIX))
    if sample is None:
        raise BadInput(f"There is no sample program {config.program!r}.", f"There are: {', '.join(CATALOG)}.")
    return sample


def _beyond_embedded(sample: Sample | None, config: RunConfig, values: dict[str, Any]) -> list[str]:
    """Refuse a sample that the embedded model cannot do when nobody chose that model, and warn when somebody did.

    Its passages are looked for here too: a program that finds none fails on every example.
    """
    if sample is None:
        return []
    if sample.passages in sample.missing():
        raise BadInput(
            f"The passages {sample.passages!r} of {sample.title} are not on this machine.",
            f"Fetch them with `python -m sample_programs.fetch {sample.name}`, or name a ColBERTv2 server in "
            "MIPRO_STUDIO_COLBERT.",
        )
    if sample.embedded_ok or config.task_model.model != EMBEDDED:
        return []
    said = f"{sample.title} is beyond the embedded model (135M parameters): it can neither reason nor search."
    if "task_model" not in values:
        raise BadInput(said, "Name a task model: an endpoint of yours or of a provider.")
    return [f"{said} Expect scores near 0, and no gain."]


def _absolute(config: RunConfig, base: Path) -> RunConfig:
    """Data paths made absolute and the base folder written down: a worker may run in another folder."""
    paths = {
        name: str((base / Path(path).expanduser()).resolve())
        for name in ("data", "train", "val", "test")
        if (path := getattr(config.data, name)) and not is_module_object(path)
    }
    return config.model_copy(update={"data": config.data.model_copy(update=paths), "base": str(base.resolve())})


def _with_carried(config: RunConfig, base: Path, program: Program) -> RunConfig:
    """`config` with what an earlier run learned, where it is to start from that."""
    if config.carry_from and not config.carried:
        config = config.model_copy(update={"carried": read_saved(config.carry_from, base, LEARN)})
    if config.carried:
        if config.optimizer != "studio":
            raise BadInput("Only the studio's own optimizer starts from what another run learned.", "Use `studio`.")
        check_carried(config.carried, [info.name for info in program.predictors])
    return config


def _check_sizes(data: Dataset, config: RunConfig) -> None:
    for split in (Split.TRAIN, Split.VAL):
        if not data.of(split):
            raise BadInput(f"The split leaves no rows for {split.value}.", "Give more data or another split.")


def _check_freeze(config: RunConfig, program: Program) -> None:
    names = [info.name for info in program.predictors]
    for name in config.search.freeze:
        if name not in names:
            raise BadInput(f"There is no predictor {name!r} to freeze.", f"The program has: {', '.join(names)}.")
    if set(config.search.freeze) == set(names):
        raise BadInput("Every predictor is frozen, so there is nothing to optimize.")


def _row_chars(data: Dataset) -> float:
    rows = data.examples[:200]
    return sum(len(str(value)) for row in rows for value in (*row.inputs.values(), *row.labels.values())) / len(rows)


def _instruction_chars(program: Program) -> float:
    return sum(len(info.frame.around(info.instruction)) for info in program.predictors) / len(program.predictors)
