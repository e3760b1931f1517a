"""The copy of the weights that is served: other files are left alone, and the copy holds the same numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mipro_studio.optimizer_core.models.embedded.gguf_file import read_gguf
from mipro_studio.optimizer_core.models.embedded.repack import fast_copy
from mipro_studio.optimizer_core.models.embedded.weights import is_pinned

ROWS = 512
"""Of each tensor; all of them would take seven seconds."""


def test_a_file_of_ones_own_is_served_as_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "mine.gguf"
    mine.write_bytes(b"GGUF and so on")
    assert fast_copy(mine) == mine


@pytest.mark.embedded
def test_the_copy_holds_the_numbers_of_the_pinned_weights(weights: Path) -> None:
    import gguf
    from gguf import quants

    if not is_pinned(weights):
        pytest.skip("the environment names weights of its own")
    copy = fast_copy(weights)
    assert copy != weights
    assert fast_copy(weights) == copy  # made once
    before = {tensor.name: tensor for tensor in gguf.GGUFReader(weights).tensors}
    after = {tensor.name: tensor for tensor in read_gguf(copy).tensors}
    assert before.keys() == after.keys()
    for name in ("token_embd.weight", "blk.0.attn_q.weight", "blk.29.ffn_down.weight", "output_norm.weight"):
        old, new = (quants.dequantize(one[name].data[:ROWS], one[name].tensor_type) for one in (before, after))
        assert np.abs(new - old).max() <= np.abs(old).max() / 127
