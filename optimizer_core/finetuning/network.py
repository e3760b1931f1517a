"""The frozen network: a Llama-architecture decoder read from a GGUF file as float32 arrays.

Everything is kept as llama.cpp lays it out (the rows of `attn_q` and `attn_k` are permuted for rotary embeddings of
adjacent pairs), so that an adapter trained here is served there as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mipro_studio.optimizer_core.models.embedded.gguf_file import read_gguf

__all__ = ["PROJECTIONS", "Layer", "Network", "NetworkShape", "load_network", "random_network"]

Array = NDArray[Any]

PROJECTIONS: Final = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
"""The linear maps of a layer, by their names in GGUF; each has weights of shape (outputs, inputs)."""


@dataclass(frozen=True)
class NetworkShape:
    """Sizes: `hidden` = `heads` * `head_width`; every `heads` / `kv_heads` query heads share a key and value head."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    feed_forward: int
    vocabulary: int
    rope_base: float
    norm_epsilon: float

    @property
    def head_width(self) -> int:
        return self.hidden // self.heads

    def projection(self, name: str) -> tuple[int, int]:
        """(outputs, inputs) of one of `PROJECTIONS`."""
        kv = self.kv_heads * self.head_width
        return {
            "attn_q": (self.hidden, self.hidden),
            "attn_k": (kv, self.hidden),
            "attn_v": (kv, self.hidden),
            "attn_output": (self.hidden, self.hidden),
            "ffn_gate": (self.feed_forward, self.hidden),
            "ffn_up": (self.feed_forward, self.hidden),
            "ffn_down": (self.hidden, self.feed_forward),
        }[name]


@dataclass(frozen=True)
class Layer:
    """One decoder layer: its projections by name, and the gains of the norms ahead of attention and feed-forward."""

    projections: Mapping[str, Array]
    attention_gain: Array
    feed_forward_gain: Array


@dataclass(frozen=True)
class Network:
    """`embedding` has shape (vocabulary, hidden) and is the output map as well (tied weights)."""

    shape: NetworkShape
    embedding: Array
    layers: tuple[Layer, ...]
    output_gain: Array


def load_network(path: Path) -> Network:
    """The network in the GGUF file at `path`, dequantized: four bytes a weight, 0.54 GB for the embedded model.

    Raises:
        ValueError: another architecture, or an output map of its own.
    """
    from gguf import quants

    reader = read_gguf(path)

    def fact(name: str) -> Any:
        field = reader.fields[name]
        return field.contents()

    if fact("general.architecture") != "llama":
        raise ValueError(f"{path.name} is a {fact('general.architecture')} model; only llama models can be tuned")
    found = {t.name: np.asarray(quants.dequantize(t.data, t.tensor_type), np.float32) for t in reader.tensors}
    if "output.weight" in found:
        raise ValueError(f"{path.name} has an output map of its own; only tied embeddings can be tuned here")
    embedding = found["token_embd.weight"]
    shape = NetworkShape(
        layers=int(fact("llama.block_count")),
        hidden=int(fact("llama.embedding_length")),
        heads=int(fact("llama.attention.head_count")),
        kv_heads=int(fact("llama.attention.head_count_kv")),
        feed_forward=int(fact("llama.feed_forward_length")),
        vocabulary=int(embedding.shape[0]),
        rope_base=float(fact("llama.rope.freq_base")),
        norm_epsilon=float(fact("llama.attention.layer_norm_rms_epsilon")),
    )
    layers = tuple(
        Layer(
            {name: found[f"blk.{index}.{name}.weight"] for name in PROJECTIONS},
            found[f"blk.{index}.attn_norm.weight"],
            found[f"blk.{index}.ffn_norm.weight"],
        )
        for index in range(shape.layers)
    )
    return Network(shape, embedding, layers, found["output_norm.weight"])


def random_network(shape: NetworkShape, seed: int, dtype: Any = np.float64) -> Network:
    """A network of random weights, for tests and gradient checks."""
    rng = np.random.default_rng(seed)

    def drawn(*size: int) -> Array:
        return np.asarray(rng.normal(0.0, 1.0 / np.sqrt(size[-1]), size), dtype)

    def gain() -> Array:
        return np.asarray(rng.normal(1.0, 0.1, shape.hidden), dtype)

    layers = tuple(
        Layer({name: drawn(*shape.projection(name)) for name in PROJECTIONS}, gain(), gain())
        for _ in range(shape.layers)
    )
    return Network(shape, drawn(shape.vocabulary, shape.hidden), layers, gain())
