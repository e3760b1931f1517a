"""Caps that cannot be held because nobody knows what a call takes: said before a run, which then needs a yes."""

from collections.abc import Iterable, Mapping, Sequence

import dspy

from mipro_studio.optimizer_core.config import JUDGE, OF_PROGRAM, ModelSpec, RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.finetuning.trainers import trainer_choice
from mipro_studio.optimizer_core.models.engines import prices_usd_per_token
from mipro_studio.optimizer_core.models.role_model import RoleModel
from mipro_studio.optimizer_core.objective_spec import read_objective
from mipro_studio.optimizer_core.optimizers.registry import get_optimizer
from mipro_studio.optimizer_core.types import Role, Spent

__all__ = ["measured", "require_prices", "unbound_caps"]


def measured(config: RunConfig) -> bool:
    """Whether there is a cap that depends on what an endpoint says a call took."""
    return config.budget.max_tokens is not None or config.budget.max_usd is not None


def unbound_caps(
    config: RunConfig,
    role_models: Mapping[str, RoleModel],
    spending: Iterable[Spent] = (),
    own: Iterable[dspy.BaseLM] = (),
) -> list[str]:
    """One sentence for each cap that cannot be held, or only roughly.

    Args:
        role_models: The models by their settings as JSON. Those that were called have told whether they count tokens.
        spending: What the roles spent in the rehearsal, which tells the same.
        own: Models that the program brings along beside.
    """
    specs = {ModelSpec.model_validate_json(key): one.lm for key, one in role_models.items()}
    said = []
    if config.budget.max_usd is not None and (trainer := _unpriced_trainer(config)):
        said.append(
            f"The cap of {config.budget.max_usd:g} dollars is not held before a training is sent: nobody knows what "
            f"{trainer} asks for it. Say --set finetune.usd_per_mtok=PRICE."
        )
    if config.budget.max_usd is not None and (unpriced := _unpriced(specs, own)):
        said.append(
            f"The cap of {config.budget.max_usd:g} dollars cannot be held: nobody knows the price of "
            f"{_listed(unpriced)}. Give it (on the command line: --price IN/OUT), or cap LM calls or tokens."
        )
    silent = [lm.model for lm in specs.values() if _estimated(lm)]
    silent += [config.model_for(spent.role).model for spent in spending if spent.usage.estimated_tokens]
    if measured(config) and silent:
        capped = [f"{config.budget.max_tokens:,} tokens"] if config.budget.max_tokens is not None else []
        capped += [f"{config.budget.max_usd:g} dollars"] if config.budget.max_usd is not None else []
        said.append(
            f"The cap of {' and of '.join(capped)} can only be held roughly: the endpoint of {_listed(silent)} does "
            "not say how many tokens a call takes, so they are estimated."
        )
    return said


def _unpriced_trainer(config: RunConfig) -> str:
    """Who is paid for a training of the run without a known price; empty for nobody."""
    if not get_optimizer(config.optimizer).tunes(config) or config.finetune.usd_per_mtok is not None:
        return ""
    choice = trainer_choice(config)
    return choice.title if choice.leaves else ""


def require_prices(config: RunConfig, role_models: Mapping[str, RoleModel], own: Iterable[dspy.BaseLM] = ()) -> None:
    """What the objective counts in dollars has a price.

    Args:
        role_models, own: As for `unbound_caps`.

    Raises:
        BadInput: it has none, so that no program run would count for anything.
    """
    if "usd" not in read_objective(config.objective).quantities:
        return
    specs = {ModelSpec.model_validate_json(key): one.lm for key, one in role_models.items()}
    roles = (Role.TASK, *((Role.JUDGE,) if config.metric == JUDGE else ()))
    at_work = {*map(config.model_for, roles), *config.models.values()}
    if unpriced := _unpriced({spec: lm for spec, lm in specs.items() if spec in at_work}, own):
        raise BadInput(
            f"The objective {config.objective!r} counts dollars, and nobody knows the price of {_listed(unpriced)}.",
            "Give it (on the command line: --price IN/OUT), or price or limit tokens instead.",
        )


def _unpriced(specs: Mapping[ModelSpec, dspy.BaseLM], own: Iterable[dspy.BaseLM]) -> list[str]:
    asked = [spec if spec.model != OF_PROGRAM else _as_spec(lm, spec) for spec, lm in specs.items()]
    asked += [_as_spec(lm) for lm in own]
    return [spec.model for spec in asked if prices_usd_per_token(spec) is None]


def _as_spec(lm: dspy.BaseLM, said: ModelSpec | None = None) -> ModelSpec:
    """A model of a person's own as settings, as far as its price goes; `said` has the prices that they gave."""
    settings = getattr(lm, "kwargs", {})
    base = settings.get("api_base") or settings.get("base_url")
    values = said.model_dump() if said is not None else {}
    return ModelSpec(**{**values, "model": str(getattr(lm, "model", "")), "api_base": base})


def _estimated(lm: dspy.BaseLM) -> bool:
    account = getattr(lm, "account", None)
    return account is not None and account.meter.total(account.role).estimated_tokens > 0


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, dict.fromkeys(names)))
