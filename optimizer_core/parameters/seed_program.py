"""The program that a run begins with: as its code makes it, or as a saved one left off."""

import json
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.models.role_models import model_when_made, own_models
from mipro_studio.optimizer_core.programs.module_copies import copy_module
from mipro_studio.optimizer_core.programs.program import Program, load_program

__all__ = ["read_saved", "seed_program"]

PICKLES = (".pkl", ".pickle", ".bin", ".pt", ".joblib")
LARGEST_BYTES = 20 * 1024 * 1024
_HOW = "Save the program as JSON, with program.save('name.json') or `export`."


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


def read_saved(name: str, base: Path) -> str:
    """The text of the saved program `name`, which is JSON and nothing that could run code.

    Raises:
        BadInput: there is no such file, or it is none.
    """
    path = (base / Path(name).expanduser()).resolve()
    if not path.is_file():
        raise BadInput(f"There is no file {name!r}.", _HOW)
    if path.suffix.lower() in PICKLES or _begins_like_a_pickle(path):
        raise BadInput(
            f"{name!r} is a pickle, which runs whatever code its author put into it when it is read.", _HOW
        )
    if path.stat().st_size > LARGEST_BYTES:
        raise BadInput(f"{name!r} is larger than any saved program should be.", _HOW)
    try:
        state: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name!r} is no JSON: {error}.", _HOW) from error
    if not isinstance(state, dict):
        raise BadInput(f"{name!r} holds no program.", _HOW)
    return json.dumps({key: part for key, part in state.items() if key != "metadata"}, ensure_ascii=False)


def _begins_like_a_pickle(path: Path) -> bool:
    """Protocols 2 and later begin with two bytes that no text begins with."""
    with path.open("rb") as file:
        head = file.read(2)
    return len(head) == 2 and head[0] == 0x80 and head[1] < 16
