"""A run's winner in Langfuse's prompt registry, through its own client (the extra `langfuse`)."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from mipro_studio.control.exports import Choice, chosen, texts_for, weights_notes
from mipro_studio.control.pushing.mlflow_push import prompt_name
from mipro_studio.control.registries import PREDICTOR_TAG, SAVED_TAG, asked
from mipro_studio.optimizer_core.models.role_models import adapter_of
from mipro_studio.optimizer_core.parameters.saved_state import ALONE
from mipro_studio.optimizer_core.programs.plain_messages import plain_messages
from mipro_studio.storage import Reader

__all__ = ["push"]

LABEL = "mipro-studio"


def push(store: Path, run_id: str, target: Mapping[str, str], candidate: str = "") -> dict[str, Any]:
    """Register the prompts of a candidate (the winner if none is named), a new version of each.

    Args:
        target: {tracking_uri, name}: the server, empty for LANGFUSE_HOST's; `name` begins the names of prompts.

    Returns:
        {candidate, prompts: [uri], notes: [sentence]}.

    Raises:
        BadInput: Langfuse is not installed or refuses, or the candidate cannot be had.
    """
    choice = chosen(store, run_id, candidate)
    with Reader(store) as reader:
        called = target["name"] or reader.run(run_id).name
    saved = _saved(choice)
    parts = plain_messages(choice.module, adapter_of(choice.config.task_model, choice.config, choice.program))
    written = [part for part in parts if part["messages"]]
    about = {"mipro_studio.run": run_id, "mipro_studio.candidate": choice.candidate}
    prompts = []
    for part in written:
        config = {**about, PREDICTOR_TAG: part["name"], SAVED_TAG: saved.get(part["name"], saved.get(ALONE))}
        name = prompt_name(called, part["name"])
        version = asked("Langfuse", partial(_created, target["tracking_uri"], name, part, config))
        prompts.append(f"langfuse:{name}/{version}")
    left = [part["name"] for part in parts if not part["messages"]]
    notes = [f"The messages of {', '.join(left)} depend on the input, so no prompt holds them."] if left else []
    return {"candidate": choice.candidate, "prompts": prompts, "notes": [*notes, *weights_notes(choice)]}


def _created(host: str, name: str, part: Mapping[str, Any], config: Mapping[str, Any]) -> int:
    from langfuse import Langfuse

    client = Langfuse(host=host) if host else Langfuse()
    made = client.create_prompt(
        name=name, type="chat", prompt=[dict(one) for one in part["messages"]], labels=[LABEL], config=dict(config)
    )
    return int(made.version)


def _saved(choice: Choice) -> dict[str, Any]:
    """The program's JSON by predictor."""
    state: dict[str, Any] = json.loads(texts_for("Langfuse", choice)["program"])
    return {ALONE: state} if "signature" in state else state
