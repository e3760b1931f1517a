"""Calls of the prompt model, as they are kept."""

from dataclasses import dataclass, field

from mipro_studio.optimizer_core.types.spending import Usage
from mipro_studio.optimizer_core.types.values import Json

__all__ = ["PromptCall"]


@dataclass(frozen=True, slots=True)
class PromptCall:
    """One call of the prompt model, kept under a key that names its purpose, so a resumed run never repays it.

    `request` is the list of messages, `reply` the raw text, `outputs` the parsed fields. An `error` is kept
    for the provenance card and is tried again by a resumed run.
    """

    key: str
    request: tuple[Json, ...]
    reply: str
    outputs: Json
    usage: Usage = field(default_factory=Usage)
    temperature: float | None = None
    error: str = ""
