"""How weights are tuned, and in which order with prompts: what a person asks for."""

from typing import Annotated, Literal

from pydantic import Field

from mipro_studio.optimizer_core.model_spec import Positive, Settings

__all__ = ["MOST_EPOCHS", "FinetuneSettings"]

MOST_EPOCHS = 3
SEEN_ROWS = 360
"""Rows that a training sees, repetitions counted, where nobody says how often: as many as 120 rows in 3 epochs, which
take the embedded model from 24 to 82 % on the sample triage."""
RATE_OF_ADAPTER, RATE_OF_ALL = 8e-4, 1e-5
"""Learning rates where nobody says one: what tuned the embedded model best; DSPy's, of all weights."""


class FinetuneSettings(Settings):
    """Of `bootstrap_finetune` and `better_together`.

    Attributes:
        strategy: Steps of better_together in order: p optimizes prompts, w weights, as in `p -> w -> p` (Π and Θ
            may be written too). Several by comma are compared in one run, which does once what they begin with;
            `all`: the paper's eight.
        restart: A prompt step that follows a weight step begins at the program's own prompts (the paper); else at
            the program so far (DSPy).
        returns: best: of the original program and those that every step ended with, the best on the validation rows
            (DSPy). last: what the last step of the (first) strategy ended with (the paper).
        sets: Demo sets that a prompt step compares, the one that it begins with counted.
        bootstrap: Who answers the training rows for a weight step. program: the program so far, by itself (the
            paper). teacher: the teacher, with labelled demos. auto: the teacher as long as the program is the
            original one, which by itself may get little right; then the program.
        traces: Which traces become rows: all that the strategy's steps came to so far, or own: those of this step's
            bootstrap.
        labels: A predictor learns from a training row's labels where no trace of it passed and the row tells all its
            inputs and outputs. Neither the paper nor DSPy does so.
        owner: Whose weights they are. program: one adapter answers for all predictors. predictor: each has one of its
            own, trained on its own calls; a request chooses by the predictor.
        demos: The rows' prompts hold the program's demos (DSPy's default). Weights that were tuned with demos in
            the prompt answer badly without them; those tuned without do well both ways.
        trainer: auto: by the task model.
        base: Folder, or name on a hub, of the weights that the task model's server has (peft only).
        account: The account's id at Fireworks.
        api_base: The trainer's address, where it is not the provider's own.
        usd_per_mtok: What the trainer asks for a million tokens trained on, every epoch counted: with it, a
            cap on dollars is held before a job is sent.
        epochs: Times that every row is seen; none said: 3, or fewer where rows are many (`epochs_for`).
        batch_size: Rows of a step.
        method: lora: a low-rank adapter beside the weights. full: all weights are tuned (peft only), which takes
            16 bytes of memory a weight, and a server that answers with the folder that comes of it.
        learning_rate: Of the training; none said: 8e-4 for an adapter, 1e-5 for all weights.
        rank, alpha: Of the low-rank adapter: its product is scaled by alpha / rank.
        first_layer: The first layer that is tuned (embedded model only).
        projections: The linear maps that are tuned, such as attn_q and attn_k (embedded model only); none named: all.
    """

    strategy: str = "p -> w -> p"
    restart: bool = True
    returns: Literal["best", "last"] = "best"
    sets: Annotated[int, Field(ge=2)] = 6
    bootstrap: Literal["auto", "program", "teacher"] = "auto"
    traces: Literal["all", "own"] = "all"
    labels: bool = True
    owner: Literal["program", "predictor"] = "program"
    demos: bool = False
    trainer: Literal["auto", "embedded", "peft", "together", "fireworks", "openai"] = "auto"
    base: str = ""
    account: str = ""
    api_base: str | None = None
    usd_per_mtok: Annotated[float, Field(ge=0)] | None = None
    epochs: Positive | None = None
    batch_size: Positive = 8
    method: Literal["lora", "full"] = "lora"
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    rank: Annotated[int, Field(ge=1, le=256)] = 16
    alpha: Annotated[float, Field(gt=0)] = 32.0
    first_layer: Annotated[int, Field(ge=0)] = 0
    projections: tuple[str, ...] = ()

    @property
    def rate(self) -> float:
        """The learning rate at its highest."""
        return self.learning_rate or (RATE_OF_ADAPTER if self.method == "lora" else RATE_OF_ALL)

    def epochs_for(self, rows: int) -> int:
        """Times that every one of `rows` is seen."""
        return self.epochs or max(1, min(MOST_EPOCHS, round(SEEN_ROWS / max(1, rows))))
