"""Which model and which adapter a program works with: what a person chose for the run, else what the program has.

A predictor keeps the model that the program set for it, unless `models` of the run's settings names another. The
adapter is the one that the program configured, unless `adapter` names one.
"""

from collections.abc import Callable, Mapping
from typing import Any

import dspy
from dspy.adapters.baml_adapter import BAMLAdapter

from mipro_studio.optimizer_core.config import EMBEDDED, OF_PROGRAM, Budget, ModelSpec, RunConfig
from mipro_studio.optimizer_core.errors import BadInput, ModelUnavailable
from mipro_studio.optimizer_core.models.guests import guest_lm, metered
from mipro_studio.optimizer_core.models.lms import adapter_for, build_lm
from mipro_studio.optimizer_core.models.meter import Meter
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.programs.live_objects import live_object
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.seeds import derive_seed
from mipro_studio.optimizer_core.sources import is_live
from mipro_studio.optimizer_core.types import PROGRAM, Role

__all__ = [
    "ADAPTERS",
    "adapter_name",
    "adapter_of",
    "build_role_model",
    "chosen_models",
    "model_name",
    "model_rows",
    "model_when_made",
    "overridden",
    "own_model",
    "own_models",
    "role_models_of",
    "tuned_spec",
    "with_own_model",
    "with_tuned",
]

ADAPTERS: Mapping[str, Callable[[Any], Any]] = {
    "chat": lambda lm: dspy.ChatAdapter(),
    "json": lambda lm: dspy.JSONAdapter(),
    "xml": lambda lm: dspy.XMLAdapter(),
    "two_step": lambda lm: dspy.TwoStepAdapter(lm),
    "baml": lambda lm: BAMLAdapter(),
}
"""Adapters by name; two_step reads the reply with the same model."""

_RUNS_PROGRAM = (Role.TASK, Role.TEACHER, Role.TEST)


def build_role_model(
    spec: ModelSpec, role: Role, meter: Meter, config: RunConfig, program: Program | None = None
) -> RoleModel:
    """The model of `spec` in `role`, metered, with the adapter that prompts are written by.

    Proposals and verdicts are asked for by our own signatures, so the program's adapter is none of theirs.

    Args:
        meter: Admits and counts each of its calls.
        config: Its adapter, its retries and the run's seed.
        program: Whose model it is where `spec` says so, and whose adapter stands where none was chosen.

    Raises:
        BadInput: see `build_lm`; or the program has no model of its own.
    """
    if spec.model == OF_PROGRAM:
        lm: Any = metered(_needed(program), role, meter, spec)
    elif is_live(spec.model):
        lm = metered(live_object(spec.model), role, meter, spec)
    else:
        lm = build_lm(spec, role, meter, config.retries, derive_seed(config.seed, "model", role.value))
    if role not in _RUNS_PROGRAM or program is None:
        return RoleModel(lm, adapter_for(spec))
    return RoleModel(lm, adapter_of(spec, config, program, lm))


def tuned_spec(spec: ModelSpec, tuned: str) -> ModelSpec:
    """The model of `spec` with the weights that a tuning came to: a file of an adapter, or a provider's model id."""
    if spec.model == EMBEDDED:
        return spec.model_copy(update={"weights": tuned})
    return spec.model_copy(update={"model": f"{spec.model.partition('/')[0]}/{tuned}"})


def with_tuned(config: RunConfig, tuned: Mapping[str, str]) -> RunConfig:
    """The settings with the task model on tuned weights.

    Args:
        tuned: See `ArmContents.tuned`; a predictor that is named has them for itself.
    """
    task = config.task_model
    models = {name: tuned_spec(config.models.get(name, task), one) for name, one in tuned.items() if name != PROGRAM}
    if PROGRAM in tuned:
        task = tuned_spec(task, tuned[PROGRAM])
    return config.model_copy(update={"task_model": task, "models": {**config.models, **models}})


def adapter_of(spec: ModelSpec, config: RunConfig, program: Program, lm: Any = None) -> Any:
    """How prompts of the program are written for the model of `spec`.

    Args:
        lm: What two_step reads replies with; prompts are the same without.
    """
    chosen = ADAPTERS.get(config.adapter)
    if chosen is not None:
        return chosen(lm or dspy.LM("openai/none"))
    if (configured := program.configured.get("adapter")) is not None:
        return configured
    elsewhere = {*own_models(program), *(name for name, model in config.models.items() if model.model != EMBEDDED)}
    if all(info.name in elsewhere for info in program.predictors):
        return dspy.ChatAdapter()
    return adapter_for(spec)


def _needed(program: Program | None) -> dspy.BaseLM:
    found = own_model(program) if program is not None else None
    if found is None:
        raise BadInput(
            "The program configures no model of its own.", "Name a task model, or call dspy.configure(lm=...) in it."
        )
    return found


def own_model(program: Program) -> dspy.BaseLM | None:
    """The model that the program works with by itself: the configured one, else the first of its predictors'.

    None where some predictor would be left without one.
    """
    configured = program.configured.get("lm")
    if configured is not None:
        return configured
    models = own_models(program)
    return next(iter(models.values())) if len(models) == len(program.predictors) else None


def own_models(program: Program) -> dict[str, dspy.BaseLM]:
    """Predictor -> the model that the program sets for it, of those that have one."""
    return {name: predictor.lm for name, predictor in program.module.named_predictors() if predictor.lm is not None}


def with_own_model(config: RunConfig, values: Mapping[str, Any], program: Program) -> RunConfig:
    """The settings with the program's own model as task model, where nobody named one and it has one."""
    if "task_model" in values or config.task_model.model != EMBEDDED or own_model(program) is None:
        return config
    return config.model_copy(update={"task_model": ModelSpec(model=OF_PROGRAM)})


def chosen_models(config: RunConfig, program: Program) -> dict[str, dspy.BaseLM]:
    """Predictor -> the model that a person chose for it. Calls count under the role that runs the program.

    Adapters of the embedded model are held by one server, and a call names its predictor's.

    Raises:
        BadInput: there is no such predictor, or the model cannot be had.
    """
    names = [info.name for info in program.predictors]
    unknown = [name for name in config.models if name not in names]
    if unknown:
        raise BadInput(f"There is no predictor {unknown[0]!r} to give a model.", f"There are: {', '.join(names)}.")
    adapters = tuple(dict.fromkeys(spec.weights for spec in config.models.values() if spec.weights))
    return {
        name: guest_lm(spec, config.retries, derive_seed(config.seed, "model", name), adapters)
        for name, spec in config.models.items()
    }


def model_when_made(config: RunConfig) -> dspy.BaseLM | None:
    """What a program finds configured when it is made: the run's task model. A copy that it keeps is counted too.

    None where the program configures it, or the model cannot be had: whatever needs it says so.
    """
    if config.task_model.model == OF_PROGRAM:
        return None
    if is_live(config.task_model.model):
        return live_object(config.task_model.model)  # type: ignore[no-any-return]
    try:
        return guest_lm(config.task_model, config.retries, derive_seed(config.seed, "model", Role.TASK.value))
    except (BadInput, ModelUnavailable):
        return None


def role_models_of(config: RunConfig, program: Program) -> dict[str, RoleModel]:
    """Every model that the settings name, by its settings as JSON; spends on no budget.

    Raises:
        BadInput: see `build_role_model` and `chosen_models`.
    """
    meter = Meter(Budget())
    made: dict[str, RoleModel] = {}
    for role in config.roles:
        key = config.model_for(role).model_dump_json()
        made[key] = made.get(key) or build_role_model(config.model_for(role), role, meter, config, program)
    for name, lm in chosen_models(config, program).items():
        made.setdefault(config.models[name].model_dump_json(), RoleModel(lm, None))
    return made


def adapter_name(adapter: Any) -> str:
    return type(adapter).__name__ if adapter is not None else ""


def model_name(lm: Any) -> str:
    """What a model is called; empty for none."""
    return str(getattr(lm, "model", "") or type(lm).__name__) if lm is not None else ""


Row = tuple[str, Any, Any, str]


def model_rows(config: RunConfig, program: Program) -> list[Row]:
    """Models and adapter as rows of the receipt: (setting, requested, effective, why)."""
    configured = adapter_name(program.configured.get("adapter"))
    used = adapter_name(adapter_of(config.task_model, config, program))
    if config.adapter != "auto":
        why = f"chosen, instead of {configured}, which the program configures" if configured else "chosen"
    else:
        why = "the program configures it" if configured else "the program configures none"
    rows = [*_role_rows(config, program), ("adapter", config.adapter, used, why)]
    own = own_models(program)
    for name in dict.fromkeys((*own, *config.models)):
        chosen, kept = config.models.get(name), model_name(own.get(name))
        if chosen is None:
            rows.append((f"model of {name}", None, kept, "the program sets it, and it stays"))
        else:
            instead = kept and f", instead of {kept}, which the program sets"
            rows.append((f"model of {name}", chosen.model, chosen.model, f"chosen{instead}"))
    return rows


def _role_rows(config: RunConfig, program: Program) -> list[Row]:
    task = config.task_model.model
    used, why = task, ""
    if task == OF_PROGRAM:
        used, why = model_name(own_model(program)), "the program's own"
    elif (configured := program.configured.get("lm")) is not None:
        why = f"instead of {model_name(configured)}, which the program configures"
    rows: list[Row] = [("task_model", task, used, why)]
    for name in (role.place[0] for role in Role if len(role.place) == 1 and role is not Role.TASK):
        spec: ModelSpec | None = getattr(config, name)
        rows.append((name, spec and spec.model, _shown(spec) if spec else used, "" if spec else "the task model"))
    return rows


def _shown(spec: ModelSpec) -> str:
    return model_name(live_object(spec.model)) if is_live(spec.model) else spec.model


def overridden(config: RunConfig, program: Program) -> list[str]:
    """One sentence for each thing that the program configures and this run does not use."""
    said = []
    configured = program.configured.get("lm")
    if configured is not None and config.task_model.model != OF_PROGRAM:
        said.append(
            f"The program configures the model {model_name(configured)}; this run uses the task model "
            f"{config.task_model.model} in its place."
        )
    if config.adapter != "auto" and (own := adapter_name(program.configured.get("adapter"))):
        said.append(f"The program configures {own}; this run uses the adapter {config.adapter} in its place.")
    for name, lm in own_models(program).items():
        if name in config.models:
            said.append(
                f"The program sets the model {model_name(lm)} for {name}; this run uses {config.models[name].model} "
                "in its place."
            )
    return said
