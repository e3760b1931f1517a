"""The embedded model: SmolLM2-135M-Instruct on llama.cpp, served once per machine.

Names are imported on first use: the server process imports this package and must not pay for DSPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mipro_studio.optimizer_core.models.embedded.weights import (
    MODEL_LICENCE,
    MODEL_NAME,
    weights_path,
    weights_present,
)

if TYPE_CHECKING:
    from mipro_studio.optimizer_core.models.embedded.adapter import CompactAdapter
    from mipro_studio.optimizer_core.models.embedded.lm import LM_NAME, embedded_lm

__all__ = [
    "LM_NAME",
    "MODEL_LICENCE",
    "MODEL_NAME",
    "CompactAdapter",
    "embedded_lm",
    "weights_path",
    "weights_present",
]

_LAZY = {"CompactAdapter": "adapter", "LM_NAME": "lm", "embedded_lm": "lm"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
