"""Our gradients against torch's autograd through transformers' own Llama, on the embedded model's weights.

    python scripts/torch_gradients.py FILE.gguf    (needs torch, transformers and gguf; no part of the studio does)

Adapters are put beside transformers' projections in its own order of rows (llama.cpp permutes those of query and key
for its rotary embedding), each row is run alone, and the gradients are compared with those of the packed batch.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from mipro_studio.optimizer_core.finetuning.batch import TokenRow, pack, segments
from mipro_studio.optimizer_core.finetuning.gradients import Tuned, answers, loss_and_gradients
from mipro_studio.optimizer_core.finetuning.lora import Key, LoraSettings, Pair, initial_pairs
from mipro_studio.optimizer_core.finetuning.network import NetworkShape, load_network

THEIRS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
SETTINGS = LoraSettings(rank=4, alpha=8.0)


def rows() -> list[TokenRow]:
    """Random tokens; the first four begin alike."""
    rng = np.random.default_rng(0)
    prefix = tuple(rng.integers(5, 40_000, 24).tolist())

    def row(beginning: tuple[int, ...]) -> TokenRow:
        prompt, answer = rng.integers(5, 40_000, 9).tolist(), rng.integers(5, 40_000, 3).tolist()
        return TokenRow((*beginning, *prompt), (*answer, 2))

    return [*(row(prefix) for _ in range(4)), row(()), row(())]


def in_their_order(b: Any, name: str, shape: NetworkShape) -> Any:
    """Rows of B as transformers has them."""
    if name not in ("attn_q", "attn_k"):
        return b
    heads = shape.heads if name == "attn_q" else shape.kv_heads
    return b.reshape(heads, shape.head_width // 2, 2, -1).swapaxes(1, 2).reshape(b.shape)


def hooked(model: Any, leaves: dict[Key, tuple[Any, Any]], shape: NetworkShape) -> None:
    """Every projection adds its pair's product."""
    for (index, name), (a, b) in leaves.items():

        def add(module: Any, given: Any, y: Any, a: Any = a, b: Any = b, name: str = name) -> Any:
            return y + SETTINGS.scale * (given[0] @ a.T) @ in_their_order(b, name, shape).T

        model.model.layers[index].get_submodule(THEIRS[name]).register_forward_hook(add)


def by_torch(model: Any, asked: list[TokenRow]) -> tuple[Any, Any]:
    """(mean loss, logits that predict the answers), each row by itself."""
    logits, targets = [], []
    for row in asked:
        found = model(torch.tensor([[*row.prompt, *row.answer]])).logits[0]
        logits.append(found[len(row.prompt) - 1 : -1])
        targets += row.answer
    together = torch.cat(logits)
    return torch.nn.functional.cross_entropy(together, torch.tensor(targets)), together


def differences(ours: dict[Key, Pair], leaves: dict[Key, tuple[Any, Any]]) -> Iterator[tuple[float, Key, str]]:
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

    model = AutoModelForCausalLM.from_pretrained(str(path.parent), gguf_file=path.name, dtype=torch.float32)
    model.requires_grad_(False).eval()
    leaves = {
        key: (torch.tensor(p.a).requires_grad_(), torch.tensor(p.b).requires_grad_()) for key, p in pairs.items()
    }
    hooked(model, leaves, network.shape)
    known, logits = by_torch(model, asked)
    known.backward()

    found = sorted(differences(ours, leaves))
    order = [part for part in batch.parts if part.n_targets]
    assert [part.own[-part.n_targets :] for part in order] == [row.answer for row in asked]
    apart = float(np.abs(answers(tuned, batch) - logits.detach().numpy()).max())
    print(f"loss {loss:.6f}, torch {float(known):.6f}; logits at most {apart:.2e} apart")
    worst, key, half = found[-1]
    print(f"{len(found)} tensors: median {found[len(found) // 2][0]:.1e}, worst {worst:.1e} ({key}, {half})")
    return int(worst > 1e-3)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
