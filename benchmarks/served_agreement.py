"""Does the server answer as the trainer's own forward pass does? python -m benchmarks.served_agreement ADAPTER.gguf

Asks the embedded model's server, with and without the adapter, for free answers to rows of triage that the adapter
was not trained on (the last of the file), and holds every token of each against what the trainer's network finds
likeliest at that place.
"""

import argparse
from pathlib import Path
from typing import Any

import httpx

from mipro_studio.optimizer_core.finetuning.batch import TokenRow, pack, segments
from mipro_studio.optimizer_core.finetuning.gradients import Tuned, answers
from mipro_studio.optimizer_core.finetuning.lora import read_adapter
from mipro_studio.optimizer_core.finetuning.network import load_network
from mipro_studio.optimizer_core.models.embedded import CompactAdapter, weights_path
from mipro_studio.optimizer_core.models.embedded.connection import Connection, connect
from mipro_studio.optimizer_core.models.embedded.repack import fast_copy
from mipro_studio.optimizer_core.models.embedded.tokens import Tokenizer
from mipro_studio.sample_programs import CATALOG
from mipro_studio.sample_programs.triage import Triage

__all__ = ["main"]

ANSWER_TOKENS = 4


def _prompts(n: int) -> list[list[dict[str, Any]]]:
    adapter, predictors = CompactAdapter(), dict(Triage().named_predictors())
    rows = CATALOG["triage"].rows()[-n // 2 :]
    return [
        adapter.format(predictor.signature, [], {"message": row["message"]})
        for row in rows
        for predictor in predictors.values()
    ]


def _served(connection: Connection, prompt: tuple[int, ...], scale: float) -> tuple[int, ...]:
    """Token ids of the server's greedy answer."""
    asked = {
        "prompt": list(prompt),
        "n_predict": ANSWER_TOKENS,
        "temperature": 0.0,
        "return_tokens": True,
        "cache_prompt": False,
        "lora": [{"id": 0, "scale": scale}],
    }
    url = f"{connection.base_urls[0]}/completion"
    answer = httpx.post(url, json=asked, headers=connection.headers, timeout=120, trust_env=False)
    answer.raise_for_status()
    return tuple(answer.json()["tokens"])


def main(arguments: list[str] | None = None) -> int:
    """Print how many answers agree. Exit code 1 below 95 %."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.served_agreement")
    parser.add_argument("adapter", type=Path)
    parser.add_argument("--rows", type=int, default=80, help="Prompts, two a message.")
    asked = parser.parse_args(arguments)
    connection = connect(adapters=[asked.adapter])
    tokenizer = Tokenizer(connection)
    prompts = [tokenizer.prompt(messages) for messages in _prompts(asked.rows)]
    pairs, alpha = read_adapter(asked.adapter)
    network = load_network(fast_copy(weights_path()))
    rank = next(iter(pairs.values())).a.shape[0]
    worst = 1.0
    for name, held in (("untuned", {}), ("tuned", pairs)):
        tuned = Tuned(network, held, alpha / rank)
        whole = first = 0
        for prompt in prompts:
            served = _served(connection, prompt, float(bool(held)))
            likeliest = answers(tuned, pack(segments([TokenRow(prompt, served)]))).argmax(axis=-1)
            first += int(likeliest[0] == served[0])
            whole += tuple(likeliest.tolist()) == served
        print(f"{name}: the first token agrees in {first} of {len(prompts)}, the whole answer in {whole}", flush=True)
        worst = min(worst, first / len(prompts))
    connection.close()
    return int(worst < 0.95)


if __name__ == "__main__":
    raise SystemExit(main())
