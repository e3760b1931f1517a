"""The model calls of a check: a rehearsal of the program, and one short call to every endpoint that took no part."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dspy.utils.exceptions import LMError

from mipro_studio.optimizer_core.checks.check_rehearsal import Rehearsal, rehearsed
from mipro_studio.optimizer_core.checks.unbound_caps import measured
from mipro_studio.optimizer_core.config import EMBEDDED, JUDGE, OF_PROGRAM, ModelSpec, RunConfig
from mipro_studio.optimizer_core.data import Dataset
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.evaluation.refusals import called, key_source
from mipro_studio.optimizer_core.models.embedded import weights_present
from mipro_studio.optimizer_core.models.listing import lists_model
from mipro_studio.optimizer_core.models.lms import classify
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.roles import ROLE_TITLES
from mipro_studio.optimizer_core.types import Cell, ErrorClass, Role

__all__ = ["about_rehearsal", "call_models"]


@dataclass(frozen=True)
class _Model:
    """A model and what it is here, in words; `acts`: it takes part in a program run."""

    spec: ModelSpec
    name: str
    acts: bool


def _models(config: RunConfig) -> list[_Model]:
    """Every model once, by its first part."""
    acting = (Role.TASK, *((Role.JUDGE,) if config.metric == JUDGE else ()))
    of_roles = [_Model(config.model_for(role), ROLE_TITLES[role].lower(), role in acting) for role in config.roles]
    of_predictors = [_Model(spec, f"model of {name}", True) for name, spec in config.models.items()]
    found: dict[str, _Model] = {}
    for one in sorted([*of_roles, *of_predictors], key=lambda model: not model.acts):
        found.setdefault(one.spec.model_dump_json(), one)
    return list(found.values())


def call_models(
    config: RunConfig, data: Dataset, base: Path, role_models: Mapping[str, RoleModel], *, rehearse: bool
) -> tuple[RunConfig, Rehearsal, list[str]]:
    """(settings, what the rehearsal came to, sentences); the run is told to rehearse where the check cannot.

    Args:
        role_models: The models by their spec as JSON.

    Raises:
        BadInput: a model's key or name is wrong.
    """
    models = _models(config)
    listed = not measured(config)  # a call also says whether the endpoint counts tokens
    said = _ask([one for one in models if not one.acts], role_models, listed)
    acting = [one for one in models if one.acts]
    if not rehearse:
        return config, Rehearsal(), said + _ask(acting, role_models, listed)
    if any(one.spec.model == EMBEDDED for one in acting) and not weights_present():
        said += _ask(acting, role_models, listed)
        said.append("The embedded model is not here yet: the run fetches it and then tries the program on two rows.")
        return config.model_copy(update={"rehearse": True}), Rehearsal(), said
    rehearsal = rehearsed(config, data.examples, base)
    judge = config.model_for(Role.JUDGE) if config.metric == JUDGE else None
    silent, down = _heard(rehearsal.cells, acting, judge)
    return config, rehearsal, [*said, *down, *rehearsal.notes, *_ask(silent, role_models, listed)]


def _heard(
    cells: Iterable[Cell], acting: list[_Model], judge: ModelSpec | None
) -> tuple[list[_Model], Iterable[str]]:
    """(models that were not heard of in the rehearsal, sentences about those that are down).

    Raises:
        BadInput: one of them refuses.
    """
    apart = [one for one in acting if one.spec == judge and one is not acting[0]]
    heard: set[str] = set()
    down: dict[str, None] = {}
    for cell in cells:
        by_metric = cell.error_message.startswith("The metric")
        if by_metric and judge is None and cell.error in (ErrorClass.AUTH, ErrorClass.MODEL):
            raise BadInput(f"A model that the metric asks refuses. {cell.error_message}")
        model = apart[0] if by_metric and apart else acting[0]
        if (refused := _refusal(cell.error, model, cell.error_message)) is not None:
            raise refused
        if cell.error is not None and cell.error.transient:
            down[_not_answering(model, cell.error_message)] = None
            heard.add(model.name)
        if cell.usage.calls:
            heard |= {one.name for one in acting if one not in apart}
        if cell.score is not None:
            heard |= {one.name for one in apart}
    return [one for one in acting if one.name not in heard], down


def about_rehearsal(rehearsal: Rehearsal, config: RunConfig) -> dict[str, Any]:
    """What a check shows of it and the run takes over; `refusal` is why nobody should start yet."""
    problem = rehearsal.problem
    return {
        "rehearsal": {
            "at_the_start": config.rehearse,
            "unfinished": rehearsal.unfinished,
            "cells": [asdict(cell) for cell in rehearsal.cells],
            "burns": [asdict(spent) for spent in rehearsal.spending],
        },
        "refusal": None if problem is None else {"message": problem.message, "frames": list(problem.frames)},
    }


def _ask(models: Iterable[_Model], role_models: Mapping[str, RoleModel], listed: bool) -> list[str]:
    """One short call to every endpoint. Returns sentences.

    Args:
        listed: An endpoint whose own list has the model need not be called.

    Raises:
        BadInput: a wrong key or name. An endpoint that is down is not, and gets a sentence.
    """
    said = []
    for one in models:
        if one.spec.model == EMBEDDED or (listed and one.spec.model != OF_PROGRAM and lists_model(one.spec)):
            continue
        lm = role_models[one.spec.model_dump_json()].lm
        lm._retries = 0
        try:
            lm("Reply with OK.")
        except LMError as error:
            kind = classify(error)
            if (refused := _refusal(kind, one, str(error))) is not None:
                raise refused from error
            said.append((_not_answering if kind is None or kind.transient else _not_taking)(one, str(error)))
        except (ValueError, TypeError, ImportError) as error:
            raise BadInput(f"The model {called(one.spec)} cannot be used: {error}.") from error
    return said


def _refusal(kind: ErrorClass | None, one: _Model, words: str) -> BadInput | None:
    """What a person is told when no call of a model can succeed; None for failures of any other class."""
    if kind is ErrorClass.MODEL:
        return BadInput(f"The endpoint does not know the model {called(one.spec)} ({one.name}): {words}.")
    if kind is not ErrorClass.AUTH:
        return None
    said = f"The endpoint refuses the key for {called(one.spec)} ({one.name}): {words}."
    return BadInput(said, key_source(one.spec))


def _not_answering(one: _Model, words: str) -> str:
    return f"The endpoint of {called(one.spec)} did not answer just now: {words}. A run would pause until it does."


def _not_taking(one: _Model, words: str) -> str:
    return f"The endpoint of {called(one.spec)} did not take a short call: {words}. It may take the program's."
