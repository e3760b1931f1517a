"""A run's candidate as a DSPy program: the JSON that `program.load(path)` takes back."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

import dspy
from dspy.adapters.utils import format_field_value

from mipro_studio.optimizer_core.config import EMBEDDED, RunConfig
from mipro_studio.optimizer_core.files import written_aside
from mipro_studio.optimizer_core.models.role_models import chosen_models, own_models, with_tuned
from mipro_studio.optimizer_core.parameters.arms import Arms
from mipro_studio.optimizer_core.parameters.kinds import ParameterKind
from mipro_studio.optimizer_core.parameters.registry import KINDS
from mipro_studio.optimizer_core.programs.module_copies import copy_module
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.programs.values import as_prompted
from mipro_studio.optimizer_core.secrets import without_userinfo
from mipro_studio.optimizer_core.types import PROGRAM, SEED_ARM, Arm, Candidate

__all__ = [
    "BeyondSaved",
    "beyond_saved",
    "build_program",
    "load_saved",
    "put_tuned_models",
    "save_program",
    "without_secrets",
]

_SECRET = re.compile(r"key|secret|passw|credential|authori[sz]ation|headers|(^|_)token$", re.IGNORECASE)
"""Names of a model's settings that may hold a key. DSPy leaves out `api_key` alone."""


def build_program(config: RunConfig, program: Program, arms: Iterable[Arm], candidate: Candidate) -> dspy.Module:
    """The run's program with `candidate` put in, and with the models that were chosen for predictors.

    Args:
        arms: All arms of the run; those that `candidate` names are used.

    Returns:
        A module of its own, which holds no keys.
    """
    models = {
        name: None
        if spec.model == EMBEDDED
        else dspy.LM(spec.model, temperature=spec.temperature, max_tokens=spec.max_tokens, api_base=spec.api_base)
        for name, spec in config.models.items()
    }
    made = Arms(program, models, config.folders)
    for arm in arms:
        made.add(arm)
    return made.module(candidate)


def put_tuned_models(module: dspy.Module, config: RunConfig, program: Program, tuned: Mapping[str, str]) -> None:
    """Have the predictors of `module` asked of the task model on tuned weights; models of their own stay.

    Args:
        tuned: See `ArmContents.tuned`.

    Raises:
        BadInput: a model cannot be had.
    """
    own = {*own_models(program), *config.models}
    whole = tuned.get(PROGRAM)
    wanted = {
        info.name: one
        for info in program.predictors
        if (one := tuned.get(info.name) or (None if info.name in own else whole)) is not None
    }
    models = chosen_models(with_tuned(config, wanted), program) if wanted else {}
    for name, predictor in module.named_predictors():
        predictor.lm = models[name] if name in wanted else predictor.lm


@dataclass(frozen=True)
class BeyondSaved:
    """What of a candidate DSPy's saved state does not hold, such as what is told of tools.

    Attributes:
        lines: Python that puts it into a `program` whose state is loaded.
    """

    lines: tuple[str, ...] = ()
    _puts: tuple[Callable[[dspy.Module], None], ...] = ()

    def put_into(self, loaded: dspy.Module) -> None:
        """The same as `lines`, in a program that is at hand and nobody else's."""
        for put in self._puts:
            put(loaded)


def beyond_saved(program: Program, arms: Iterable[Arm], candidate: Candidate) -> BeyondSaved:
    """See `BeyondSaved`."""
    made = Arms(program)
    for arm in arms:
        made.add(arm)
    lines: list[str] = []
    puts: list[Callable[[dspy.Module], None]] = []
    for arm in made.chosen(candidate):
        kind = KINDS[arm.kind]
        if told := kind.loading(arm, made.of(arm.owner, arm.kind)[SEED_ARM]):
            lines += told
            puts.append(partial(_put, kind, arm, program))
    return BeyondSaved(tuple(lines), tuple(puts))


def _put(kind: ParameterKind, arm: Arm, program: Program, loaded: dspy.Module) -> None:
    kind.apply(loaded, {arm.owner: arm.content}, program, ())


def save_program(module: dspy.Module, path: Path) -> None:
    """Write instructions, demos and predictors' models of `module` (no keys) as DSPy's JSON, whole or not at all.

    Demos are written as they are shown, so that the program asks the same when it is loaded. A model that is not a
    plain `dspy.LM` is left out: loading it would be refused.
    """
    made = copy_module(module)
    for _, predictor in made.named_predictors():
        predictor.demos = [_as_json(demo, predictor.signature) for demo in predictor.demos]
        predictor.lm = predictor.lm if _is_storable(predictor.lm) else None
    for _, parameter in made.named_parameters():
        if "json_mode" not in signature(parameter.dump_state).parameters:  # dspy.Retrieve, where save() fails
            parameter.dump_state = partial(_state_in_json_mode, parameter)
    with written_aside(path, ".json") as aside:  # DSPy chooses the format by the ending
        made.save(aside)
        state = json.loads(aside.read_bytes())
        for part in (state, *state.values()):  # a program that is one predictor has its state at the top
            if isinstance(part, dict) and isinstance(part.get("lm"), dict):
                part["lm"] = without_secrets(part["lm"])
        aside.write_text(json.dumps(state, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _state_in_json_mode(parameter: Any, json_mode: bool) -> Any:
    return type(parameter).dump_state(parameter)


def _as_json(demo: Any, signature: Any) -> dspy.Example:
    return dspy.Example({name: _field(value, signature.input_fields.get(name)) for name, value in demo.items()})


def _field(value: Any, declared: Any) -> Any:
    plain = as_prompted(value)
    if isinstance(plain, list) and not isinstance(value, list) and getattr(declared, "annotation", None) is str:
        return format_field_value(declared, value)  # as a list it would be shown otherwise
    return plain


def _is_storable(lm: Any) -> bool:
    if type(lm) is not dspy.LM:
        return False
    try:
        json.dumps(lm.dump_state())
    except (TypeError, ValueError):  # an engine, or a setting, that cannot be written
        return False
    return True


def without_secrets(state: dict[str, Any]) -> dict[str, Any]:
    """A model's settings without those that may hold a key or a password."""
    kept = {name: value for name, value in state.items() if not _SECRET.search(name)}
    return {name: without_userinfo(value) if isinstance(value, str) else value for name, value in kept.items()}


def load_saved(config: RunConfig, program: Program, path: Path) -> dspy.Module:
    """The program as a person gets it: built anew from its source, loaded from the file at `path`, with its models.

    Raises:
        BadInput: a model that was chosen cannot be had.
    """
    module = copy_module(program.module)
    module.load(path)
    models = {**own_models(program), **chosen_models(config, program)}
    for name, predictor in module.named_predictors():
        predictor.lm = models.get(name)
    return module
