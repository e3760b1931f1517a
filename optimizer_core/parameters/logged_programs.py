"""What other optimizers leave in their log folders, as far as it is JSON: nothing is unpickled.

MIPROv2 saves every program that it tries as `evaluated_programs/program_N.json` below its `log_dir` (the paths in its
`trial_logs`), GEPA its candidates as `candidates.json` beside `gepa_state.bin`, which is a pickle.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.saved_state import (
    LARGEST_BYTES,
    SavedPredictor,
    read_saved,
    saved_predictors,
)

__all__ = ["distinct", "logged_predictors"]

OF_GEPA, STATE_OF_GEPA, OF_MIPRO = "candidates.json", "gepa_state.bin", "evaluated_programs"


def logged_predictors(named: str, base: Path) -> list[SavedPredictor] | None:
    """The predictors of all programs in a log folder, each as often as it was logged; None where `named` is no log.

    Raises:
        BadInput: there is no program in it that is JSON.
    """
    path = (base / Path(named).expanduser()).resolve()
    if path.name == STATE_OF_GEPA:
        raise BadInput(
            f"{named!r} is a pickle, which runs whatever code its author put into it when it is read.",
            f"GEPA writes the instructions of its candidates into {OF_GEPA} beside it: name that.",
        )
    if path.is_dir() and (path / OF_GEPA).is_file():
        path = path / OF_GEPA
    if path.name == OF_GEPA:
        return _of_gepa(named, path)
    if not path.is_dir():
        return None
    folder = path / OF_MIPRO if (path / OF_MIPRO).is_dir() else path
    files = sorted(folder.glob("*.json"), key=_number)
    found = [one for file in files for one in saved_predictors(read_saved(str(file), base))]
    if not found:
        raise BadInput(
            f"There is no program in the folder {named!r}.",
            f"Name MIPROv2's log_dir (it has {OF_MIPRO}/), GEPA's (it has {OF_GEPA}), or a file.",
        )
    return found


def _number(file: Path) -> tuple[int, str]:
    numbers = re.findall(r"-?\d+", file.stem)
    return int(numbers[0]) if numbers else 0, file.name


def _of_gepa(named: str, path: Path) -> list[SavedPredictor]:
    if not path.is_file():
        raise BadInput(f"There is no file {named!r}.", "GEPA writes it where its log_dir is set.")
    if path.stat().st_size > LARGEST_BYTES:
        raise BadInput(f"{named!r} is larger than any candidates should be.")
    try:
        candidates: Any = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{named!r} is no JSON: {error}.") from error
    ours = isinstance(candidates, list) and all(isinstance(one, dict) for one in candidates)
    if not ours or not all(isinstance(text, str) for one in candidates for text in one.values()):
        raise BadInput(f"{named!r} holds no candidates of GEPA.", "They are a list of {predictor: instruction}.")
    return [SavedPredictor(name, text, ()) for one in candidates for name, text in one.items()]


def distinct(predictors: Sequence[SavedPredictor]) -> list[SavedPredictor]:
    """The same without what stood there before: an instruction (spaces aside) or the demos of the same predictor."""
    seen: set[tuple[str, str]] = set()

    def is_new(name: str, what: str) -> bool:
        new = (name, what) not in seen
        seen.add((name, what))
        return new

    found = []
    for one in predictors:
        instruction = one.instruction if is_new(one.name, " ".join(one.instruction.split())) else ""
        demos = one.demos if is_new(one.name, json.dumps(list(one.demos), sort_keys=True)) else ()
        if instruction or demos:
            found.append(SavedPredictor(one.name, instruction, demos))
    return found
