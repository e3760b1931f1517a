"""A model with an adapter merged into its weights: one GGUF file for whatever loads such files."""

from pathlib import Path
from typing import Any

import numpy as np

from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning.lora import Pair, read_adapter
from mipro_studio.optimizer_core.finetuning.network import Array
from mipro_studio.optimizer_core.models.embedded.repack import rewrite

__all__ = ["merge"]


def merge(base: Path, adapter: Path, target: Path) -> None:
    """Write `base` with W + (alpha / rank) B A in the place of every tuned W, as F16; the rest stays as it is.

    F16 because rounding to the base's own Q8_0 would be larger than much of what was learned.

    Raises:
        BadInput: the adapter is one of another model.
    """
    from gguf import GGMLQuantizationType, LlamaFileType, quants

    pairs, alpha = read_adapter(adapter)
    left = {f"blk.{layer}.{name}.weight": pair for (layer, name), pair in pairs.items()}

    def merged(name: str, values: Any, kind: Any) -> tuple[Any, Any]:
        pair = left.pop(name, None)
        if pair is None:
            return values, kind
        weights: Array = np.asarray(quants.dequantize(values, kind), np.float32)
        _require_fit(name, weights, pair, adapter)
        weights = weights + np.float32(alpha / pair.a.shape[0]) * (pair.b @ pair.a)
        return weights.astype(np.float16), GGMLQuantizationType.F16

    rewrite(base, target, LlamaFileType.MOSTLY_F16, merged)
    if left:
        raise _of_another_model(adapter, min(left))


def _require_fit(name: str, weights: Any, pair: Pair, adapter: Path) -> None:
    if weights.shape != (pair.b.shape[0], pair.a.shape[1]):
        raise _of_another_model(adapter, name)


def _of_another_model(adapter: Path, name: str) -> BadInput:
    return BadInput(
        f"The adapter {adapter.name} is one of another model: its {name} does not fit.",
        "Merge it into the model that it was tuned from.",
    )
