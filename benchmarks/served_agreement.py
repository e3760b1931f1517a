"""Does the server answer as the trainer's own forward pass does? python -m benchmarks.served_agreement ADAPTER.gguf

Asks the embedded model's server for free answers to rows of triage that the adapter was not trained on (the last of
the file), and holds every token of each against what the trainer's network finds likeliest at that place. It is asked
four times: without and with the adapter, from the same weights in 16 bits, and from the file that `export --merged`
writes, whose answers are held against those with the adapter too. The server multiplies by Q8_0 weights, for which
llama.cpp rounds what goes into them to eight bits as well, in blocks of 32; the trainer rounds nothing. So the first
two are held against the forward pass as it is and against the same pass with that rounding, and of the first tokens
that differ it is told how close the call was.

    python -m benchmarks.served_agreement --margins 12

compares, without an adapter, the difference of a first token's two largest logits: the server's, from its own weights
and from the same ones in 16 bits, with the trainer's.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from gguf import GGMLQuantizationType, LlamaFileType, quants

from mipro_studio.optimizer_core.finetuning.batch import Batch, TokenRow, pack, segments
from mipro_studio.optimizer_core.finetuning.gradients import Tuned, hidden_states
from mipro_studio.optimizer_core.finetuning.lora import read_adapter
from mipro_studio.optimizer_core.finetuning.merging import merge
from mipro_studio.optimizer_core.finetuning.network import Array, load_network
from mipro_studio.optimizer_core.models.embedded import CompactAdapter, weights_path
from mipro_studio.optimizer_core.models.embedded.connection import Connection, connect
from mipro_studio.optimizer_core.models.embedded.repack import fast_copy, rewrite
from mipro_studio.optimizer_core.models.embedded.tokens import Tokenizer
from mipro_studio.sample_programs import CATALOG
from mipro_studio.sample_programs.triage import Triage

__all__ = ["main"]

ANSWER_TOKENS = 4
ENOUGH = 0.95
Prompts = list[tuple[int, ...]]
"""Token ids, of prompts or of answers."""
BLOCK = 32
"""Values that share a scale in Q8_0."""


@dataclass(frozen=True)
class _AsServed(Tuned):
    """The network with what goes into every map of its own rounded as llama.cpp rounds it; pairs get it unrounded."""

    def project(self, layer: int, name: str, h: Array) -> Array:
        y: Array = super().project(layer, name, h)
        y += (_rounded(h) - h) @ self.network.layers[layer].projections[name].T
        return y


def _rounded(h: Array) -> Array:
    """Quantized to Q8_0 and back: blocks of 32, a scale of 16 bits for each."""
    blocks = h.reshape(-1, BLOCK)
    scales = np.abs(blocks).max(axis=1, keepdims=True) / 127.0
    whole = np.round(blocks / np.where(scales > 0, scales, 1.0))
    found: Array = (whole * scales.astype(np.float16).astype(np.float32)).reshape(h.shape)
    return found


def _logits(tuned: Tuned, batch: Batch, rounded: bool) -> Array:
    """(N, vocabulary) at the places that predict a token."""
    network = tuned.network
    x = hidden_states(tuned, batch, range(network.shape.layers))[batch.predicting]
    ended = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + network.shape.norm_epsilon) * network.output_gain
    found: Array = (_rounded(ended) if rounded else ended) @ network.embedding.T
    return found


def _prompts(n: int) -> list[list[dict[str, Any]]]:
    adapter, predictors = CompactAdapter(), dict(Triage().named_predictors())
    rows = CATALOG["triage"].rows()[-n // 2 :]
    return [
        adapter.format(predictor.signature, [], {"message": row["message"]})
        for row in rows
        for predictor in predictors.values()
    ]


def _served(connection: Connection, prompts: Prompts, scale: float | None = None) -> Prompts:
    """Token ids of the server's greedy answers. `scale`: of the adapter that it holds; None where it holds none."""
    lora = {} if scale is None else {"lora": [{"id": 0, "scale": scale}]}
    return [tuple(_asked(connection, prompt, n_predict=ANSWER_TOKENS, **lora)["tokens"]) for prompt in prompts]


def _asked(connection: Connection, prompt: tuple[int, ...], **more: Any) -> Any:
    asked = {"prompt": list(prompt), "temperature": 0.0, "return_tokens": True, "cache_prompt": False, **more}
    url = f"{connection.base_urls[0]}/completion"
    answer = httpx.post(url, json=asked, headers=connection.headers, timeout=120, trust_env=False)
    answer.raise_for_status()
    return answer.json()


def _compared(tuned: Tuned, prompts: Prompts, answers: Prompts, rounded: bool = False) -> float:
    """Share of first tokens that agree, of which and of whose margins a line is printed.

    A margin is the difference of the two largest logits of a first token, in nats.
    """
    whole, margins, lost = 0, [], []
    for prompt, served in zip(prompts, answers, strict=True):
        logits = _logits(tuned, pack(segments([TokenRow(prompt, served)])), rounded)
        whole += tuple(logits.argmax(axis=-1).tolist()) == served
        margins.append(float(np.diff(np.sort(logits[0])[-2:])[0]))
        if logits[0].argmax() != served[0]:
            lost.append(float(logits[0].max() - logits[0][served[0]]))
    first = len(prompts) - len(lost)
    told = f"first token {first} of {len(prompts)}, whole answer {whole}; median margin {np.median(margins):.2f} nats"
    if lost:
        told += f", where it differs {', '.join(f'{one:.2f}' for one in sorted(lost))}"
    print(f"  {'inputs rounded as served' if rounded else 'as trained'}: {told}", flush=True)
    return first / len(prompts)


def _agreement(adapter: Path, rows: int) -> float:
    """Print how each way to serve agrees with the trainer. Returns the least share of first tokens that do."""
    base = fast_copy(weights_path())
    pairs, alpha = read_adapter(adapter)
    network, scale = load_network(base), alpha / next(iter(pairs.values())).a.shape[0]
    connection = connect(adapters=[adapter])
    tokenizer = Tokenizer(connection)
    prompts = [tokenizer.prompt(messages) for messages in _prompts(rows)]
    shares, answers = [], []
    for name, held in (("without the adapter", {}), ("with the adapter", pairs)):
        print(f"{name}:", flush=True)
        answers = _served(connection, prompts, float(bool(held)))
        shares.append(_compared(Tuned(network, held, scale), prompts, answers))
        _compared(_AsServed(network, held, scale), prompts, answers, rounded=True)
    connection.close()
    with tempfile.TemporaryDirectory() as folder:
        whole, merged = Path(folder) / "whole.gguf", Path(folder) / "merged.gguf"
        rewrite(base, whole, LlamaFileType.MOSTLY_F16, _in_16_bits)
        merge(base, adapter, merged)
        for name, file, held in (("in 16 bits, no adapter", whole, {}), ("merged", merged, pairs)):
            print(f"{name}:", flush=True)
            served = connect(file)
            found = _served(served, prompts)
            shares.append(_compared(Tuned(network, held, scale), prompts, found))
            served.close()
    same = sum(one == other for one, other in zip(answers, found, strict=True))
    print(f"  whole answers that are those with the adapter: {same} of {len(prompts)}")
    return min(shares)


def _margins(prompts: Prompts) -> None:
    """Print how far the server's margins are from the trainer's, in nats, by the type of the weights it serves."""
    base = fast_copy(weights_path())
    tuned = Tuned(load_network(base), {}, 1.0)
    apart: dict[str, list[float]] = {"Q8_0": [], "F16": []}
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "whole.gguf"
        rewrite(base, whole, LlamaFileType.MOSTLY_F16, _in_16_bits)
        connections = {"Q8_0": connect(), "F16": connect(whole)}
        for prompt in prompts:
            logits = _logits(tuned, pack(segments([TokenRow(prompt, (0,))])), rounded=False)[0]
            second, first = (int(one) for one in np.argsort(logits)[-2:])
            for name, connection in connections.items():
                told = _asked(connection, prompt, n_predict=1, n_probs=5)["completion_probabilities"][0]
                chances = {one["id"]: one["logprob"] for one in told["top_logprobs"]}
                apart[name].append(abs(chances[first] - chances[second] - float(logits[first] - logits[second])))
        for connection in connections.values():
            connection.close()
    for name, found in apart.items():
        print(
            f"{name}: margins {np.mean(found):.3f} nats apart in the mean, {max(found):.3f} at most, n = {len(found)}"
        )


def _in_16_bits(name: str, values: Any, kind: Any) -> tuple[Any, Any]:
    if kind != GGMLQuantizationType.Q8_0:
        return values, kind
    return quants.dequantize(values, kind).astype(np.float16), GGMLQuantizationType.F16


def main(arguments: list[str] | None = None) -> int:
    """Print how many answers agree. Exit code 1 where fewer than 95 % of first tokens are the trainer's."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.served_agreement")
    parser.add_argument("adapter", type=Path, nargs="?")
    parser.add_argument("--margins", type=int, default=0, help="So many prompts, and no adapter.")
    parser.add_argument("--rows", type=int, default=80, help="Prompts, two a message.")
    asked = parser.parse_args(arguments)
    if asked.margins:
        plain = connect()
        _margins([Tokenizer(plain).prompt(messages) for messages in _prompts(5 * asked.margins)[::5]])
        plain.close()
        return 0
    if asked.adapter is None:
        parser.error("name the file of an adapter, or say --margins")
    return int(_agreement(asked.adapter, asked.rows) < ENOUGH)


if __name__ == "__main__":
    raise SystemExit(main())
