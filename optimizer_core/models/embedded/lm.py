"""The embedded model as a ``dspy.LM``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import dspy

from mipro_studio.optimizer_core.models.embedded.engine import AsyncEmbeddedEngine, EmbeddedEngine
from mipro_studio.optimizer_core.models.embedded.weights import MODEL_NAME

__all__ = ["LM_NAME", "embedded_lm"]

LM_NAME: Final = f"embedded/{MODEL_NAME}"


def embedded_lm(
    temperature: float = 0.0,
    max_tokens: int = 200,
    seed: int = 0,
    *,
    weights: str | Path | None = None,
    among: Sequence[str | Path] = (),
    base: str | Path | None = None,
) -> dspy.LM:
    """The embedded model, to be used with :class:`CompactAdapter`.

    Nothing is fetched or started before the first call. DSPy's response cache is off
    (repeated calls must cost what they cost) and so are retries (the server is local).

    Args:
        max_tokens: Bounds each answer.
        seed: Makes answers at a temperature above 0 repeatable.
        weights: The file of a low-rank adapter (GGUF) that it answers with, as a tuning of weights makes it.
        among: The files of all models of a program whose predictors have several, which then share one server.
        base: A GGUF file to serve instead of the model's own weights, such as an export with merged weights.
    """
    held = list(dict.fromkeys(Path(one) for one in (*among, *([weights] if weights else []))))
    engine = EmbeddedEngine(
        seed=seed,
        max_tokens=max_tokens,
        adapters=held,
        adapter=held.index(Path(weights)) if weights else None,
        base=Path(base) if base else None,
    )
    return dspy.LM(
        LM_NAME,
        temperature=temperature,
        max_tokens=max_tokens,
        cache=False,
        num_retries=0,
        engine=engine,
        async_engine=AsyncEmbeddedEngine(engine),
    )
