"""What a training takes on the embedded model: python -m benchmarks.tuning_time

Trains one epoch on triage's gold labels at several sizes and prompt lengths, in this process, and prints processor
seconds a step and the two constants of `optimizer_core/finetuning/forecast.py` that fit them best.
"""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy
import numpy as np
from threadpoolctl import threadpool_limits

from mipro_studio.optimizer_core.finetuning.batch import TokenRow
from mipro_studio.optimizer_core.finetuning.forecast import CHARS_PER_TOKEN, LAYERS, ROW_S, TOKEN_S
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


def _seconds(network: Network, case: Case, first_layer: int, threads: int) -> tuple[float, float, int]:
    """(processor seconds, wall seconds, steps) of an epoch."""
    settings = TrainingSettings(epochs=1, lora=LoraSettings(first_layer=first_layer))
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(threads):
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
    print("| rows | tokens by characters | first layer | threads | processor s a step | wall s a step |")
    print("|---|---|---|---|---|---|")
    known, found = [], []
    for n, repeats, first_layer in CASES:
        case = cases[n, repeats]
        tokens = case.chars / CHARS_PER_TOKEN
        for threads in (1, 2) if (n, repeats, first_layer) == CASES[0] else (1,):
            used, wall, steps = _seconds(network, case, first_layer, threads)
            print(
                f"| {n} | {tokens:.0f} | {first_layer} | {threads} | {used / steps:.2f} | {wall / steps:.2f} |",
                flush=True,
            )
            if threads == 1:
                tuned = (LAYERS - first_layer) / LAYERS
                known.append([tuned * n, tuned * tokens])
                found.append(used)
    (row_s, token_s), *_ = np.linalg.lstsq(np.array(known), np.array(found), rcond=None)
    print(f"ROW_S {row_s:.3f} (stands at {ROW_S}), TOKEN_S {token_s:.4f} (stands at {TOKEN_S})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
