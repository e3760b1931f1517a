"""What tunings of a run will take at most, before anything is spent, and what of it leaves the machine."""

from typing import Any, Final

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.finetuning.trainers import trainer_choice

__all__ = ["tuning_forecast"]

CHARS_PER_TOKEN: Final = 4
LAYERS: Final = 30
"""Of the embedded model."""

TOKEN_S = 0.004
"""Processor seconds of the embedded trainer for a token of a row, in one epoch, all layers tuned. What a step takes
grows with its tokens and with little else (`python -m benchmarks.embedded.tuning_time`: within 4 % over prompts of
37 to 86 tokens); 0.004 on an idle machine, 0.010 on the same with its processors shared by many."""


def tuning_forecast(config: RunConfig, tunings: int, most_rows: int, prompt_chars: float) -> dict[str, Any]:
    """Most rows, tokens and processor seconds of all tunings together, and a sentence that says so.

    Args:
        most_rows: Rows of one tuning, at most: every call of every training row.
        prompt_chars: Mean characters of a row's messages and answer.

    Raises:
        BadInput: see `trainer_choice`.
    """
    choice, settings = trainer_choice(config), config.finetune
    epochs = settings.epochs_for(most_rows)
    tokens = most_rows * prompt_chars / CHARS_PER_TOKEN
    trained = round(tunings * epochs * tokens)
    tuned = max(0, LAYERS - settings.first_layer) / LAYERS
    seconds = tunings * epochs * tuned * TOKEN_S * tokens
    times = "once" if tunings == 1 else f"{tunings} times"
    said = (
        f"Weights are tuned {times}, on at most {most_rows:,} rows for {epochs} epoch{'s' * (epochs > 1)} "
        f"(about {trained:,} tokens) by {choice.title}"
    )
    price = settings.usd_per_mtok
    usd = trained * price / 1e6 if choice.leaves and price is not None else None
    if choice.leaves:
        paid = "it is paid for there" if usd is None else f"it is paid for there, about {usd:,.2f} dollars at most"
        said += f": the rows, with the texts of the training rows in them, are sent there, and {paid}."
    elif choice.name == "peft":
        said += ". How long that takes depends on the model and the processor. Nothing leaves this machine for that."
    else:
        said += f", which takes about {seconds:,.0f} s of one processor at most. Nothing leaves it for that."
    return {
        "tunings": tunings,
        "rows": most_rows,
        "epochs": epochs,
        "tokens": trained,
        "usd": usd,
        "processor_s": round(seconds) if choice.name == "embedded" else None,
        "trainer": choice.title,
        "leaves": choice.leaves,
        "text": said,
    }
