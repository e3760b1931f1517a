"""What is trained: a low-rank pair beside each projection, y = W h + (alpha / rank) B (A h), and its file in GGUF.

A has shape (rank, inputs), B (outputs, rank). B starts at zero, so an untrained adapter changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mipro_studio.optimizer_core.finetuning.network import PROJECTIONS, Array, NetworkShape
from mipro_studio.optimizer_core.models.embedded.gguf_file import read_gguf

__all__ = ["Key", "LoraSettings", "Pair", "Pairs", "initial_pairs", "read_adapter", "write_adapter"]

Key = tuple[int, str]
"""(layer, projection)"""


class LoraSettings(BaseModel):
    """Attributes:
    rank: Columns of B and rows of A.
    alpha: The pair's product is scaled by alpha / rank.
    first_layer: Layers below stay as they are; their output is computed once a row and kept.
    projections: Which linear maps get a pair (BetterTogether: query and key; here all by default).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    rank: int = Field(default=16, ge=1, le=256)
    alpha: float = Field(default=32.0, gt=0)
    first_layer: int = Field(default=0, ge=0)
    projections: tuple[str, ...] = PROJECTIONS

    @property
    def scale(self) -> float:
        return self.alpha / self.rank


@dataclass(frozen=True)
class Pair:
    """`a`: (rank, inputs); `b`: (outputs, rank)."""

    a: Array
    b: Array


Pairs = Mapping[Key, Pair]

_DOWN: Final = "lora_a"
_UP: Final = "lora_b"


def initial_pairs(shape: NetworkShape, settings: LoraSettings, seed: int, dtype: Any = np.float32) -> dict[Key, Pair]:
    """A uniform in +-sqrt(3 / inputs) (Kaiming, as PEFT draws it), B zero.

    Raises:
        ValueError: `first_layer` leaves no layer, or a projection has another name.
    """
    if settings.first_layer >= shape.layers:
        raise ValueError(f"first_layer = {settings.first_layer} leaves none of {shape.layers} layers to tune")
    if unknown := set(settings.projections) - set(PROJECTIONS):
        raise ValueError(f"there is no projection {min(unknown)!r}; there are {', '.join(PROJECTIONS)}")
    rng = np.random.default_rng(seed)
    pairs = {}
    for layer in range(settings.first_layer, shape.layers):
        for name in settings.projections:
            outputs, inputs = shape.projection(name)
            bound = np.sqrt(3.0 / inputs)
            a = np.asarray(rng.uniform(-bound, bound, (settings.rank, inputs)), dtype)
            pairs[layer, name] = Pair(a, np.zeros((outputs, settings.rank), dtype))
    return pairs


def write_adapter(path: Path, pairs: Pairs, settings: LoraSettings, base_name: str) -> None:
    """Write `pairs` as a GGUF adapter that llama.cpp loads, whole or not at all.

    Args:
        base_name: The model that it belongs to, for people who find the file.
    """
    import gguf

    part = path.with_name(f".{path.name}.part")
    part.touch(mode=0o600)
    writer = gguf.GGUFWriter(part, "llama")
    try:
        writer.add_type("adapter")
        writer.add_string("adapter.type", "lora")
        writer.add_float32("adapter.lora.alpha", float(settings.alpha))
        writer.add_string("general.base_model.0.name", base_name)
        for (layer, name), pair in pairs.items():
            stem = f"blk.{layer}.{name}.weight"
            writer.add_tensor(f"{stem}.{_DOWN}", np.ascontiguousarray(pair.a, np.float32))
            writer.add_tensor(f"{stem}.{_UP}", np.ascontiguousarray(pair.b, np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_adapter(path: Path) -> tuple[dict[Key, Pair], float]:
    """(pairs, alpha) of a file that `write_adapter` wrote."""
    reader = read_gguf(path)
    halves: dict[Key, dict[str, Array]] = {}
    for tensor in reader.tensors:
        _, layer, name, _, half = tensor.name.split(".")
        halves.setdefault((int(layer), name), {})[half] = np.array(tensor.data, np.float32)
    alpha = float(reader.fields["adapter.lora.alpha"].contents())
    return {key: Pair(found[_DOWN], found[_UP]) for key, found in halves.items()}, alpha
