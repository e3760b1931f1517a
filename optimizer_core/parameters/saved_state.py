"""A saved program, DSPy's JSON, as what is in it: the instruction and the demos of every predictor. Loads no DSPy."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["SavedPredictor", "read_saved", "saved_predictors"]

PICKLES = (".pkl", ".pickle", ".bin", ".pt", ".joblib")
LARGEST_BYTES = 20 * 1024 * 1024
ALONE = "self"
"""What DSPy calls the only predictor of a program that is one."""
_HOW = "Save the program as JSON, with program.save('name.json') or `export`."


@dataclass(frozen=True)
class SavedPredictor:
    """What a saved program holds of one predictor; `demos` are {field: JSON value}, `augmented` for a teacher's."""

    name: str
    instruction: str
    demos: Sequence[Mapping[str, Any]]


def saved_predictors(text: str) -> list[SavedPredictor]:
    """The predictors in the text of a saved program, in its order.

    Raises:
        BadInput: there is none in it.
    """
    state = json.loads(text)
    parts = {ALONE: state} if "signature" in state else state
    found = [
        SavedPredictor(name, str(part["signature"].get("instructions", "")), tuple(part.get("demos") or ()))
        for name, part in parts.items()
        if isinstance(part, dict) and isinstance(part.get("signature"), dict)
    ]
    if not found or not all(isinstance(demo, dict) for one in found for demo in one.demos):
        raise BadInput("There is no predictor in the saved program.", _HOW)
    return found


def read_saved(name: str, base: Path, how: str = _HOW) -> str:
    """The text of the saved program `name`, which is JSON and nothing that could run code.

    Args:
        how: How such a file is made, for whoever named another.

    Raises:
        BadInput: there is no such file, or it is none.
    """
    path = (base / Path(name).expanduser()).resolve()
    if not path.is_file():
        raise BadInput(f"There is no file {name!r}.", how)
    if path.suffix.lower() in PICKLES or _begins_like_a_pickle(path):
        raise BadInput(f"{name!r} is a pickle, which runs whatever code its author put into it when it is read.", how)
    if path.stat().st_size > LARGEST_BYTES:
        raise BadInput(f"{name!r} is larger than any saved program should be.", how)
    try:
        state: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name!r} is no JSON: {error}.", how) from error
    if not isinstance(state, dict):
        raise BadInput(f"{name!r} holds no program.", how)
    return json.dumps({key: part for key, part in state.items() if key != "metadata"}, ensure_ascii=False)


def _begins_like_a_pickle(path: Path) -> bool:
    """Protocols 2 and later begin with two bytes that no text begins with."""
    with path.open("rb") as file:
        head = file.read(2)
    return len(head) == 2 and head[0] == 0x80 and head[1] < 16
