"""Programs and prompts out of other people's registries, through their own clients.

    runs:/RUN/program.json      a saved program in MLflow's artifacts
    models:/NAME/VERSION        a model of MLflow whose run keeps its program as JSON (as `push` leaves it)
    prompts:/NAME/VERSION       a prompt of MLflow's registry; also prompts:/NAME@ALIAS
    langfuse:NAME               a prompt of Langfuse's; also langfuse:NAME@LABEL and langfuse:NAME/VERSION

Nothing is unpickled: a model that was logged as a pickle alone is refused.
"""

import json
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.parameters.saved_state import SavedPredictor, read_saved, saved_predictors
from mipro_studio.optimizer_core.secrets import Scrubber

__all__ = [
    "PREDICTOR_TAG",
    "PROGRAM_FILE",
    "PROGRAM_TAG",
    "SAVED_TAG",
    "asked",
    "is_in_registry",
    "predictors_of",
    "program_of",
]

PROGRAM_FILE = "program.json"
"""What a saved program is called wherever one is given out."""
PROGRAM_TAG, PREDICTOR_TAG, SAVED_TAG = "mipro_studio.program", "predictor", "saved"
"""What `push` writes on a prompt: where the program lies that it is a part of, which part, and how that was saved."""
_PROGRAMS = ("runs:/", "models:/")
_PROMPTS = ("prompts:/", "langfuse:")
_EXTRAS = {"W&B": "wandb"}
_FIELD = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True)
class Prompt:
    """What a registry holds under a name: `text` with its variables as `{{name}}`, and what was written on it."""

    text: str
    tags: Mapping[str, Any]


def is_in_registry(named: str) -> bool:
    return named.startswith((*_PROGRAMS, *_PROMPTS))


def program_of(named: str, base: Path) -> str:
    """The text of the saved program that a file or a registry holds, as `read_saved` gives it.

    Raises:
        BadInput: there is none, it holds code, it is a prompt alone, or the client is not installed or refused.
    """
    if not is_in_registry(named):
        return read_saved(named, base)
    if named.startswith(_PROMPTS):
        raise BadInput(f"{named!r} is a prompt and no program.", "Give it to a run as an arm, with `take`.")
    with tempfile.TemporaryDirectory() as folder:
        return read_saved(str(asked("MLflow", lambda: _downloaded(named, folder))), base)


def predictors_of(named: str, base: Path, predictor: str = "") -> Sequence[SavedPredictor]:
    """What a file or a registry holds of predictors: of all of a program, or the one that a prompt is for.

    Args:
        predictor: Whose a prompt is that does not say so itself.

    Raises:
        BadInput: as `program_of`; a prompt says nowhere whose it is.
    """
    if not named.startswith(_PROMPTS):
        return saved_predictors(program_of(named, base))
    read = _mlflow_prompt if named.startswith("prompts:/") else _langfuse_prompt
    prompt = asked("MLflow" if read is _mlflow_prompt else "Langfuse", lambda: read(named))
    whose, program = predictor or str(prompt.tags.get(PREDICTOR_TAG) or ""), prompt.tags.get(PROGRAM_TAG)
    if not whose:
        raise BadInput(f"{named!r} does not say which predictor it is for.", "Name it: --predictor NAME.")
    if isinstance(saved := prompt.tags.get(SAVED_TAG), dict):
        return saved_predictors(json.dumps({whose: saved}))
    if isinstance(program, str) and program.startswith(_PROGRAMS):
        return [one for one in saved_predictors(program_of(program, base)) if one.name == whose]
    return [SavedPredictor(whose, _FIELD.sub(r"`\1`", prompt.text).strip(), ())]


def asked(whose: str, ask: Callable[[], Any]) -> Any:
    """What the client answers; whatever it raises is one sentence, without a key."""
    try:
        return ask()
    except BadInput:
        raise
    except ImportError as error:
        name = _EXTRAS.get(whose, whose.lower())
        way = f"python -m pip install -r requirements-{name}.txt, or 'mipro-studio[{name}]'."
        raise BadInput(f"{whose} is not installed.", way) from error
    except Exception as error:  # each client has errors of its own, and those of its libraries
        words = Scrubber().text(" ".join(str(error).split()))[:300]
        raise BadInput(f"{whose} refused: {words}", "Is its server up, and its address right?") from error


def _downloaded(named: str, folder: str) -> Path:
    """The program's JSON of a run or of the run that a model came from."""
    import mlflow

    uri = named
    if named.startswith("models:/"):
        source = mlflow.models.get_model_info(named).run_id
        if not source:
            raise BadInput(f"{named!r} says of no run that it came from.", "Name the file: runs:/RUN/program.json.")
        uri = f"runs:/{source}/{PROGRAM_FILE}"
    return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))


def _mlflow_prompt(named: str) -> Prompt:
    import mlflow.genai

    found = mlflow.genai.load_prompt(named)
    return Prompt(_text_of(found.template), dict(found.tags or {}))


def _langfuse_prompt(named: str) -> Prompt:
    from langfuse import get_client

    name, at, label = named.removeprefix("langfuse:").partition("@")
    name, slash, version = name.rpartition("/") if not at else (name, "", "")
    if not slash or not version.isdecimal():
        name, version = f"{name}{slash}{version}", ""
    which = {"version": int(version)} if version else {"label": label} if at else {}
    found = get_client().get_prompt(name, max_retries=0, **which)
    return Prompt(_text_of(found.prompt), dict(found.config or {}))


def _text_of(template: str | Sequence[Mapping[str, Any]]) -> str:
    """The instruction in a prompt: all of a text, the system messages of a conversation, else its first message."""
    if isinstance(template, str):
        return template
    texts = [str(message.get("content", "")) for message in template if message.get("role") == "system"]
    return "\n\n".join(texts) or str(template[0].get("content", "")) if template else ""
