"""The settings of one model."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from mipro_studio.optimizer_core.roles import EMBEDDED

__all__ = ["ModelSpec", "Positive", "Settings"]

Positive = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """A part of a run's settings: fixed once made, and closed to names that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelSpec(Settings):
    """A model for one role.

    Attributes:
        model: `embedded`, `program` (what the program configures), or any DSPy model string such as
            `openai/gpt-4o-mini`.
        api_base: Base URL of an OpenAI-compatible endpoint; None for the provider's own.
        api_key_env: NAME of the environment variable that holds the key; the key itself is never stored.
        temperature: None for the model's own default.
        max_tokens: Longest reply in tokens; None for the default.
        timeout_s: Seconds one attempt may take.
        input_usd_per_mtok: Price per million input tokens when the library does not know it; None = unknown.
        output_usd_per_mtok: Likewise for output tokens.
        weights: File of a low-rank adapter (GGUF) that the embedded model answers with, as a tuning makes it.
    """

    model: str = EMBEDDED
    api_base: str | None = None
    api_key_env: str | None = None
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] | None = None
    max_tokens: Positive | None = None
    timeout_s: Annotated[float, Field(gt=0)] = 120.0
    input_usd_per_mtok: Annotated[float, Field(ge=0)] | None = None
    output_usd_per_mtok: Annotated[float, Field(ge=0)] | None = None
    weights: str | None = None
