"""Which trainer tunes a model, and what it is told."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mipro_studio.optimizer_core.config import EMBEDDED, FinetuneSettings, RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetune_spec import MOST_EPOCHS
from mipro_studio.optimizer_core.finetuning.embedded_trainer import EmbeddedTrainer
from mipro_studio.optimizer_core.finetuning.job import Trainer
from mipro_studio.optimizer_core.finetuning.lora import LoraSettings
from mipro_studio.optimizer_core.finetuning.network import PROJECTIONS
from mipro_studio.optimizer_core.finetuning.peft_trainer import PeftTrainer, require_installed
from mipro_studio.optimizer_core.finetuning.providers.fireworks import FIREWORKS_URL, FireworksTrainer
from mipro_studio.optimizer_core.finetuning.providers.openai import OPENAI_URL, OpenAITrainer
from mipro_studio.optimizer_core.finetuning.providers.together import TOGETHER_URL, TogetherTrainer
from mipro_studio.optimizer_core.finetuning.rows import require_answers
from mipro_studio.optimizer_core.finetuning.training import TrainingSettings
from mipro_studio.optimizer_core.models.embedded.weights import MODEL_NAME
from mipro_studio.optimizer_core.models.role_models import adapter_of, own_models
from mipro_studio.optimizer_core.programs.program import Program

__all__ = [
    "PROVIDERS",
    "TRAINERS",
    "Provider",
    "TrainerChoice",
    "require_tunable",
    "trainer_choice",
    "trainer_for",
    "training_settings",
]


@dataclass(frozen=True)
class Provider:
    """Somebody who tunes models for money.

    Attributes:
        title: For people.
        prefix: How the names of its models begin, before the slash.
        make: Its trainer, from the run's settings and the key.
    """

    title: str
    prefix: str
    make: Callable[[RunConfig, str], Trainer]


def _openai(config: RunConfig, key: str) -> Trainer:
    return OpenAITrainer(key, config.finetune.api_base or config.task_model.api_base or OPENAI_URL)


def _fireworks(config: RunConfig, key: str) -> Trainer:
    return FireworksTrainer(key, config.finetune.account, config.finetune.api_base or FIREWORKS_URL)


PROVIDERS: Final[Mapping[str, Provider]] = {
    "together": Provider(
        "Together AI",
        "together_ai",
        lambda config, key: TogetherTrainer(key, config.finetune.api_base or TOGETHER_URL),
    ),
    "fireworks": Provider("Fireworks AI", "fireworks_ai", _fireworks),
    "openai": Provider("OpenAI", "openai", _openai),
}
"""By what the setting `finetune.trainer` calls them. `test_provider_trainers.py` tries all of them."""

TRAINERS: Final[Mapping[str, str]] = {
    "embedded": "this machine",
    "peft": "this machine, with peft",
    **{name: one.title for name, one in PROVIDERS.items()},
}
"""All trainers and their titles."""


@dataclass(frozen=True)
class TrainerChoice:
    """`name` of the trainer, `title` for people, and the model as it is called there."""

    name: str
    title: str
    base_model: str

    @property
    def leaves(self) -> bool:
        """Whether the training rows leave this machine."""
        return self.name in PROVIDERS


def trainer_choice(config: RunConfig) -> TrainerChoice:
    """Who tunes the run's task model.

    Raises:
        BadInput: nobody can, or something that the trainer needs is not said.
    """
    spec, settings = config.task_model, config.finetune
    prefix, _, rest = spec.model.partition("/")
    own = "embedded" if spec.model == EMBEDDED else _of_prefix(prefix)
    if own == "openai" and spec.api_base is not None:  # somebody else's endpoint: rows go to nobody unasked
        own = ""
    name = own if settings.trainer == "auto" else settings.trainer
    if not name or (name == "embedded") != (spec.model == EMBEDDED):
        raise BadInput(
            f"The weights of the task model {spec.model!r} cannot be tuned"
            f"{f' by the trainer {name!r}' if name else ' here'}.",
            "Use the embedded model, a together_ai/, fireworks_ai/ or openai/ model, or say finetune.trainer.",
        )
    if settings.method == "full" and name != "peft":
        raise BadInput(
            f"finetune.method = full is for the trainer peft; here {TRAINERS[name]} tunes the weights.",
            "Leave it out, or say finetune.trainer=peft.",
        )
    if name == "embedded":
        if unknown := set(settings.projections) - set(PROJECTIONS):
            raise BadInput(
                f"finetune.projections names {min(unknown)!r}, which the embedded model does not have.",
                f"It has {', '.join(PROJECTIONS)}.",
            )
        return TrainerChoice(name, TRAINERS[name], MODEL_NAME)
    if name == "peft":
        _require_peft(config)
        return TrainerChoice(name, TRAINERS[name], settings.base)
    if spec.api_key_env is None:
        raise BadInput(
            f"Tuning at {TRAINERS[name]} needs a key.", "Name the variable that holds it with --api-key-env."
        )
    if name == "fireworks" and not settings.account:
        raise BadInput("Tuning at Fireworks AI needs the account's id.", "Say --set finetune.account=ID.")
    return TrainerChoice(name, TRAINERS[name], rest or spec.model)


def _of_prefix(prefix: str) -> str:
    """Who tunes models of names that begin so; "" for nobody."""
    return next((name for name, one in PROVIDERS.items() if one.prefix == prefix), "")


def require_tunable(config: RunConfig, program: Program) -> None:
    """Raises:
    BadInput: every predictor has a model of its own, so tuned weights of the task model would answer nothing; or the
        adapter gives no answers that could be learned.
    """
    require_answers(adapter_of(config.task_model, config, program))
    own = {**own_models(program), **config.models}
    if all(info.name in own for info in program.predictors):
        raise BadInput(
            f"Every predictor has a model of its own ({', '.join(own)}), so nothing is asked of the task model, "
            "whose weights are to be tuned.",
            "Take set_lm() out of the program or leave --model out, for those that are to be tuned.",
        )


def _require_peft(config: RunConfig) -> None:
    if not config.finetune.base or config.task_model.api_base is None:
        raise BadInput(
            "Tuning with peft needs the weights, and the address of the server that answers with them.",
            "Say --set finetune.base=FOLDER and the task model's api_base.",
        )
    if config.finetune.first_layer:
        raise BadInput("finetune.first_layer is for the embedded model only.", "Leave it out, or name projections.")
    if config.finetune.method == "full" and config.finetune.projections:
        raise BadInput(
            "finetune.projections are of a low-rank adapter, and all weights are to be tuned.",
            "Leave one of the two out.",
        )
    require_installed()


def trainer_for(config: RunConfig, folder: Path) -> Trainer:
    """The trainer of `trainer_choice`.

    Args:
        folder: Where the embedded trainer keeps its jobs.

    Raises:
        BadInput: see there; or the variable with the key is not set.
    """
    choice = trainer_choice(config)
    if choice.name == "embedded":
        return EmbeddedTrainer(folder)
    if choice.name == "peft":
        spec = config.task_model
        return PeftTrainer(folder, spec.api_base or "", os.environ.get(spec.api_key_env or "", "none"))
    name = config.task_model.api_key_env or ""
    key = os.environ.get(name)
    if not key:
        raise BadInput(f"The environment variable {name!r} that should hold the trainer's key is not set.")
    return PROVIDERS[choice.name].make(config, key)


def training_settings(settings: FinetuneSettings, seed: int) -> TrainingSettings:
    """What the trainer is told, of as many epochs as a training has at most."""
    lora = LoraSettings(
        rank=settings.rank,
        alpha=settings.alpha,
        first_layer=settings.first_layer,
        projections=settings.projections or PROJECTIONS,
    )
    return TrainingSettings(
        lora=lora,
        epochs=settings.epochs or MOST_EPOCHS,
        batch_size=settings.batch_size,
        learning_rate=settings.rate,
        seed=seed,
        full=settings.method == "full",
    )
