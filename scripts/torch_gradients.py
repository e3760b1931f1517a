"""Our gradients against torch's autograd, on the embedded model's weights.

    python scripts/torch_gradients.py FILE.gguf    (needs torch and gguf; no part of the studio needs torch)

The forward pass is written once more with torch's own attention, norm and cross-entropy, one row at a time; the
gradients of every pair are compared with those of our packed batch.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from torch.nn import functional

from mipro_studio.optimizer_core.finetuning.batch import TokenRow, pack, segments
from mipro_studio.optimizer_core.finetuning.gradients import Tuned, answers, loss_and_gradients
from mipro_studio.optimizer_core.finetuning.lora import Key, LoraSettings, Pair, initial_pairs
from mipro_studio.optimizer_core.finetuning.network import Network, load_network

SETTINGS = LoraSettings(rank=4, alpha=8.0)
Leaves = dict[Key, tuple[Any, Any]]


def rows() -> list[TokenRow]:
    """Random tokens; the first four begin alike."""
    rng = np.random.default_rng(0)
    prefix = tuple(rng.integers(5, 40_000, 24).tolist())

    def row(beginning: tuple[int, ...]) -> TokenRow:
        prompt, answer = rng.integers(5, 40_000, 9).tolist(), rng.integers(5, 40_000, 3).tolist()
        return TokenRow((*beginning, *prompt), (*answer, 2))

    return [*(row(prefix) for _ in range(4)), row(()), row(())]


class Llama:
    """The network in torch. `leaves` are A and B of every pair, which have gradients."""

    def __init__(self, network: Network, leaves: Leaves) -> None:
        self.network, self.leaves, self.shape = network, leaves, network.shape

    def logits(self, row: TokenRow) -> Any:
        """(answer tokens, vocabulary), each before its token."""
        tokens = [*row.prompt, *row.answer]
        x = torch.tensor(self.network.embedding[tokens])
        for index in range(self.shape.layers):
            x = self._layer(index, x)
        x = self._normed(x, self.network.output_gain)
        return x[len(row.prompt) - 1 : -1] @ torch.tensor(self.network.embedding).T

    def _layer(self, index: int, x: Any) -> Any:
        layer = self.network.layers[index]
        h = self._normed(x, layer.attention_gain)
        q, k, v = (self._heads(self._map(index, name, h)) for name in ("attn_q", "attn_k", "attn_v"))
        attended = functional.scaled_dot_product_attention(
            self._turned(q)[None], self._turned(k)[None], v[None], is_causal=True, enable_gqa=True
        )[0]
        x = x + self._map(index, "attn_output", attended.transpose(0, 1).reshape(len(x), -1))
        h = self._normed(x, layer.feed_forward_gain)
        gated = functional.silu(self._map(index, "ffn_gate", h)) * self._map(index, "ffn_up", h)
        return x + self._map(index, "ffn_down", gated)

    def _map(self, index: int, name: str, h: Any) -> Any:
        a, b = self.leaves[index, name]
        weights = torch.tensor(self.network.layers[index].projections[name])
        return functional.linear(h, weights) + SETTINGS.scale * functional.linear(functional.linear(h, a), b)

    def _normed(self, x: Any, gain: Any) -> Any:
        return functional.rms_norm(x, (x.shape[-1],), torch.tensor(gain), self.shape.norm_epsilon)

    def _heads(self, x: Any) -> Any:
        return x.reshape(len(x), -1, self.shape.head_width).transpose(0, 1)

    def _turned(self, x: Any) -> Any:
        """Rotary embedding of neighbours, as numbers of the complex plane."""
        width = self.shape.head_width
        angles = torch.arange(x.shape[1])[:, None] * self.shape.rope_base ** -(torch.arange(0, width, 2) / width)
        turns = torch.polar(torch.ones_like(angles), angles)
        together = torch.view_as_complex(x.reshape(*x.shape[:-1], width // 2, 2).contiguous())
        return torch.view_as_real(together * turns).reshape(x.shape)


def by_torch(model: Llama, asked: list[TokenRow]) -> tuple[Any, Any]:
    """(mean loss, logits that predict the answers), each row by itself."""
    together = torch.cat([model.logits(row) for row in asked])
    targets = torch.tensor([token for row in asked for token in row.answer])
    return functional.cross_entropy(together, targets), together


def differences(ours: dict[Key, Pair], leaves: Leaves) -> Iterator[tuple[float, Key, str]]:
    """The largest difference within a tensor as a share of its largest gradient."""
    for key, (a, b) in leaves.items():
        for half, theirs in (("a", a.grad), ("b", b.grad)):
            known = theirs.numpy()
            yield float(np.abs(getattr(ours[key], half) - known).max() / np.abs(known).max()), key, half


def main(path: Path) -> int:
    network = load_network(path)
    rng = np.random.default_rng(1)
    fresh = initial_pairs(network.shape, SETTINGS, 2)
    pairs = {key: Pair(pair.a, rng.normal(0, 0.02, pair.b.shape).astype(np.float32)) for key, pair in fresh.items()}
    tuned = Tuned(network, pairs, SETTINGS.scale)
    asked = rows()
    batch = pack(segments(asked))
    loss, ours = loss_and_gradients(tuned, batch)

    leaves = {
        key: (torch.tensor(p.a).requires_grad_(), torch.tensor(p.b).requires_grad_()) for key, p in pairs.items()
    }
    known, logits = by_torch(Llama(network, leaves), asked)
    known.backward()

    found = sorted(differences(ours, leaves))
    order = [part for part in batch.parts if part.n_targets]
    assert [part.own[-part.n_targets :] for part in order] == [row.answer for row in asked]
    apart = float(np.abs(answers(tuned, batch) - logits.detach().numpy()).max())
    print(f"loss {loss:.6f}, torch {known.item():.6f}; logits at most {apart:.2e} apart")
    worst, key, half = found[-1]
    print(f"{len(found)} tensors: median {found[len(found) // 2][0]:.1e}, worst {worst:.1e} ({key}, {half})")
    return int(worst > 1e-3)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
