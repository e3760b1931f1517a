"""A copy of the embedded model's weights in the format that a processor reads prompts fastest in.

llama.cpp multiplies Q4_1 row by row, but has matrix kernels for Q8_0: on two cores the same calls take two thirds of
the time. A Q8_0 copy holds the very values of the Q4_1 file (each within 0.4 % of its block's largest), so what the
model answers stays the same but for near ties.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import platformdirs

from mipro_studio.optimizer_core.models.embedded.gguf_file import read_gguf
from mipro_studio.optimizer_core.models.embedded.hashes import expect, expected, remember, sha256, sha256_of
from mipro_studio.optimizer_core.models.embedded.weights import APP_NAME, is_pinned

__all__ = ["fast_copy", "rewrite"]

_VERSION: Final = "1"
"""Raised when the copy is made in another way, so that old copies are left alone."""


def fast_copy(weights: Path) -> Path:
    """The Q8_0 copy of the pinned weights, made on first use in about ten seconds; any other file as it is."""
    if not is_pinned(weights):
        return weights
    target = platformdirs.user_cache_path(APP_NAME) / "models" / f"{weights.stem}.Q8_0-{_VERSION}.gguf"
    if target.is_file() and expected(target) and sha256_of(target) == expected(target):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="repack-", dir=target.parent) as work:
            made = Path(work) / target.name
            _repack(weights, made)
            digest = sha256(made)
            made.replace(target)
        expect(target, digest)
        remember(target, digest)
    except OSError as error:  # a full disk, say: slower is better than not at all
        print(f"The faster copy of the weights could not be stored: {error}", file=sys.stderr)
        return weights
    return target


def _repack(source: Path, target: Path) -> None:
    from gguf import GGMLQuantizationType, LlamaFileType, quants

    slow, fast = GGMLQuantizationType.Q4_1, GGMLQuantizationType.Q8_0

    def faster(name: str, values: Any, kind: Any) -> tuple[Any, Any]:
        if kind != slow:
            return values, kind
        return quants.quantize(quants.dequantize(values, slow), fast), fast

    rewrite(source, target, LlamaFileType.MOSTLY_Q8_0, faster)


def rewrite(source: Path, target: Path, file_type: Any, changed: Callable[[str, Any, Any], tuple[Any, Any]]) -> None:
    """Write the GGUF model at `source` to `target` with other tensors and all else as it is.

    Args:
        file_type: The `gguf.LlamaFileType` that the new file says it is.
        changed: Name, values and `gguf.GGMLQuantizationType` of a tensor -> its new values and type.
    """
    import gguf

    reader = read_gguf(source)
    fields: dict[str, Any] = reader.fields
    writer = gguf.GGUFWriter(target, fields["general.architecture"].contents())
    writer.add_file_type(int(file_type))
    for name, field in fields.items():
        # The writer makes the header, the architecture and the file type itself.
        if not name.startswith("GGUF.") and name not in ("general.architecture", "general.file_type"):
            inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        values, kind = changed(tensor.name, tensor.data, tensor.tensor_type)
        writer.add_tensor(tensor.name, values, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
