"""A GGUF file with random weights of a very small network and the embedded model's own tokenizer and template."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import gguf
import numpy as np

from mipro_studio.optimizer_core.finetuning.network import PROJECTIONS, NetworkShape, random_network
from mipro_studio.optimizer_core.models.embedded.gguf_file import read_gguf
from mipro_studio.optimizer_core.models.embedded.weights import weights_path

__all__ = ["SHAPE", "write_tiny_model"]

SHAPE = NetworkShape(2, 64, 4, 2, 96, 49152, 100_000.0, 1e-5)


def write_tiny_model(path: Path) -> None:
    """Needs the embedded model's weights, whose tokenizer it copies."""
    shutil.copyfile(_written(), path)


@cache
def _written() -> Path:
    """Copying the tokenizer takes three seconds, so a process does it once."""
    folder = tempfile.mkdtemp(prefix="tiny-")
    atexit.register(shutil.rmtree, folder, True)
    _write(path := Path(folder) / "tiny.gguf")
    return path


def _write(path: Path) -> None:
    network = random_network(SHAPE, 0, np.float32)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(SHAPE.layers)
    writer.add_context_length(2048)
    writer.add_embedding_length(SHAPE.hidden)
    writer.add_feed_forward_length(SHAPE.feed_forward)
    writer.add_head_count(SHAPE.heads)
    writer.add_head_count_kv(SHAPE.kv_heads)
    writer.add_rope_freq_base(SHAPE.rope_base)
    writer.add_layer_norm_rms_eps(SHAPE.norm_epsilon)
    writer.add_vocab_size(SHAPE.vocabulary)
    writer.add_rope_dimension_count(SHAPE.head_width)
    for name, field in read_gguf(weights_path()).fields.items():
        if name.startswith("tokenizer."):
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
    writer.add_tensor("token_embd.weight", network.embedding)
    writer.add_tensor("output_norm.weight", network.output_gain)
    for index, layer in enumerate(network.layers):
        writer.add_tensor(f"blk.{index}.attn_norm.weight", layer.attention_gain)
        writer.add_tensor(f"blk.{index}.ffn_norm.weight", layer.feed_forward_gain)
        for name in PROJECTIONS:
            writer.add_tensor(f"blk.{index}.{name}.weight", layer.projections[name])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
