"""The program that a run begins with: as its code makes it, or as a saved one left off."""

import json
from pathlib import Path

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.models.role_models import model_when_made, own_models
from mipro_studio.optimizer_core.programs.module_copies import copy_module
from mipro_studio.optimizer_core.programs.program import Program, load_program

__all__ = ["seed_program"]


def seed_program(config: RunConfig, base: Path) -> Program:
    """The program of `config`, in the state that `start_state` holds, if any. Its models are those of the code.

    Raises:
        BadInput: it cannot be had, or the state is another program's.
    """
    program = load_program(config.program, base, model_when_made(config))
    if not config.start_state:
        return program
    module, own = copy_module(program.module), own_models(program)
    state = json.loads(config.start_state)
    try:
        module.load_state(state)
    except (KeyError, ValueError, TypeError, AttributeError, NotImplementedError) as error:
        names = ", ".join(info.name for info in program.predictors)
        raise BadInput(
            f"{config.start_from!r} is no saved {program.name!r}: {type(error).__name__}: {error}.",
            f"It must hold the predictors {names}.",
        ) from error
    for name, predictor in module.named_predictors():
        predictor.lm = own.get(name)
    return program.in_state(module)
