"""What a training takes on the embedded model: python -m benchmarks.embedded.tuning_time

Trains one epoch on triage's gold labels at several sizes and prompt lengths, in this process with one thread, and
prints processor seconds a step and a token: the constant of `optimizer_core/finetuning/forecast.py`.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy
from threadpoolctl import threadpool_limits

from mipro_studio.optimizer_core.finetuning.batch import TokenRow
from mipro_studio.optimizer_core.finetuning.forecast import CHARS_PER_TOKEN, LAYERS, TOKEN_S
from mipro_studio.optimizer_core.finetuning.lora import LoraSettings
from mipro_studio.optimizer_core.finetuning.network import Network, load_network
from mipro_studio.optimizer_core.finetuning.training import TrainingSettings, train
from mipro_studio.optimizer_core.models.embedded import CompactAdapter, weights_path
from mipro_studio.optimizer_core.models.embedded.connection import connect
from mipro_studio.optimizer_core.models.embedded.repack import fast_copy
from mipro_studio.optimizer_core.models.embedded.tokens import Tokenizer
from mipro_studio.sample_programs import CATALOG
from mipro_studio.sample_programs.triage import Triage

__all__ = ["main"]

CASES = ((16, 0, 0), (32, 0, 0), (16, 2, 0), (16, 0, 15))
"""(rows, how often the message is repeated on top, first layer that is tuned)"""


@dataclass(frozen=True)
class Case:
    """Rows of one case as the trainer gets them, and their characters as the forecast counts them."""

    rows: list[TokenRow]
    chars: int


def _case(n: int, repeats: int, tokenizer: Tokenizer) -> Case:
    adapter, rows, chars = CompactAdapter(), [], 0
    predictors = dict(Triage().named_predictors())
    for row in CATALOG["triage"].rows()[: n // 2]:
        message = " ".join([row["message"]] * (repeats + 1))
        for name, predictor in predictors.items():
            messages: list[dict[str, Any]] = adapter.format(predictor.signature, [], {"message": message})
            answer = adapter.format_assistant_message_content(
                predictor.signature, dspy.Prediction(**{name: row[name]})
            )
            rows.append(TokenRow(tokenizer.prompt(messages), tokenizer.answer(answer)))
            chars += sum(len(one["content"]) for one in messages) + len(answer)
    return Case(rows, chars)


def _seconds(network: Network, case: Case, first_layer: int) -> tuple[float, float, int]:
    """(processor seconds, wall seconds, steps) of an epoch."""
    settings = TrainingSettings(epochs=1, lora=LoraSettings(first_layer=first_layer))
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        began, wall = time.process_time(), time.monotonic()
        _, losses = train(network, case.rows, settings, Path(folder) / "checkpoint.npz")
        return time.process_time() - began, time.monotonic() - wall, len(losses)


def main() -> int:
    """Print the table."""
    connection = connect()
    tokenizer = Tokenizer(connection)
    cases = {(n, repeats): _case(n, repeats, tokenizer) for n, repeats, _ in CASES}
    connection.close()
    network = load_network(fast_copy(weights_path()))
    print("| rows | tokens by characters | first layer | processor s a step | wall s a step | processor s a token |")
    print("|---|---|---|---|---|---|")
    for n, repeats, first_layer in CASES:
        tokens = cases[n, repeats].chars / CHARS_PER_TOKEN
        used, wall, steps = _seconds(network, cases[n, repeats], first_layer)
        each = used / tokens * LAYERS / (LAYERS - first_layer)
        print(
            f"| {n} | {tokens:.0f} | {first_layer} | {used / steps:.2f} | {wall / steps:.2f} | {each:.4f} |",
            flush=True,
        )
    print(f"The forecast takes {TOKEN_S} s a token.")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
