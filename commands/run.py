"""The command `run`: what a person asks for on the command line, started and followed to its end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import typer

from mipro_studio.commands import earlier_runs, plan_output
from mipro_studio.commands.following import fetching, follow
from mipro_studio.commands.options import ApiBaseOption, ApiKeyOption, JsonOption, StoreOption
from mipro_studio.commands.run_options import with_settings
from mipro_studio.control import launcher, new_runs
from mipro_studio.optimizer_core.config import EMBEDDED, OF_PROGRAM
from mipro_studio.optimizer_core.config_paths import merge
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.optimizer_core.models.model_text import priced, read_model
from mipro_studio.storage import default_store

__all__ = ["given_only", "register"]

STRATEGIST: Final = "better_together"
"""The one optimizer that takes a strategy."""

Program = Annotated[str, typer.Argument(help="sample:NAME, path.py[:attr] or package.module:attr")]
Shares = Annotated[str | None, typer.Option(help="Shares of train/val/test.", show_default="0.4/0.4/0.2")]
Renamed = Annotated[str | None, typer.Option(help="Columns to rename, as column=field,column=field.")]
Criteria = Annotated[
    list[str] | None, typer.Option(help="What a judge asks of each answer, yes or no; again for more.")
]
Judge = Annotated[str | None, typer.Option(help="The judge; default: the prompt model.")]
TaskModel = Annotated[
    str | None, typer.Option(help="`embedded`, a DSPy model string, or `program`: what the program configures.")
]
PromptModel = Annotated[str | None, typer.Option(help="Writes instructions; default: the task model.")]
Teacher = Annotated[str | None, typer.Option(help="Bootstraps demos; default: the task model.")]
PredictorModels = Annotated[
    list[str] | None,
    typer.Option("--model", help="One predictor's: PREDICTOR=MODEL[@API_BASE][,temperature=0.2]...; repeat it."),
]
Prices = Annotated[
    list[str] | None,
    typer.Option(
        help="IN/OUT in dollars per million tokens, of all endpoints; of one with task=, prompt=, teacher=, judge= "
        "or PREDICTOR= before it. Repeat it."
    ),
]
Timeout = Annotated[float | None, typer.Option(help="Seconds one model call may take.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the plan, and every preset's; start nothing.")]
StartAnyway = Annotated[
    bool, typer.Option("--start-anyway", help="Start although the program or metric failed in the check.")
]
Agreed = Annotated[bool, typer.Option("--yes", help="Start although a cap cannot be held.")]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(with_settings(run))


def run(  # noqa: PLR0913 - the options of a command
    program: Program,
    given: dict[str, Any],
    split: Shares = None,
    rename: Renamed = None,
    criteria: Criteria = None,
    judge_model: Judge = None,
    task_model: TaskModel = None,
    prompt_model: PromptModel = None,
    teacher: Teacher = None,
    predictor_models: PredictorModels = None,
    api_base: ApiBaseOption = None,
    api_key_env: ApiKeyOption = None,
    price: Prices = None,
    timeout: Timeout = None,
    store: StoreOption = None,
    dry_run: DryRun = False,
    start_anyway: StartAnyway = False,
    agreed: Agreed = False,
    as_json: JsonOption = False,
) -> None:
    """Optimize PROGRAM, and follow it to the end."""
    endpoint = _Endpoint(api_base, api_key_env, timeout)
    other = given_only(
        program=program,
        metric="judge" if criteria else None,
        judge=given_only(criteria=criteria or None, model=endpoint.serving(judge_model)),
        data=given_only(split=_shares(split) if split else None, columns=_renamed(rename) if rename else None),
        task_model=endpoint.serving(task_model),
        prompt_model=endpoint.serving(prompt_model),
        teacher=endpoint.serving(teacher),
        models=endpoint.serving_each(predictor_models or ()),
    )
    config = priced(merge(other, given), price or ())
    _require_strategy_used(config)
    path = store or default_store()
    found = new_runs.inspect(earlier_runs.with_earlier_run(config, path))
    if dry_run:
        plan_output.show_plan(found, as_json)
        new_runs.require_working(found, start_anyway)
        return
    run_id = launcher.start(path, config, fetching, found, anyway=start_anyway, agreed=agreed)
    follow(path, run_id, as_json)


@dataclass(frozen=True)
class _Endpoint:
    """Where the models are served that a command line names."""

    api_base: str | None
    api_key_env: str | None
    timeout_s: float | None

    def serving(self, model: str | None) -> dict[str, Any] | None:
        """Settings of `model` here; None where none is named."""
        if model is None:
            return None
        served = (
            {} if model in (EMBEDDED, OF_PROGRAM) else {"api_base": self.api_base, "api_key_env": self.api_key_env}
        )
        return given_only(model=model, **served, timeout_s=self.timeout_s)

    def serving_each(self, texts: Iterable[str]) -> dict[str, dict[str, Any]]:
        """By predictor, from texts as `read_model` takes them; what a text says itself stands."""
        return {name: {**(self.serving(spec["model"]) or {}), **spec} for name, spec in map(read_model, texts)}


def _require_strategy_used(config: Mapping[str, Any]) -> None:
    asked = (config.get("finetune") or {}).get("strategy")
    if asked is not None and config.get("optimizer") != STRATEGIST:
        raise BadInput(
            f"The strategy {asked!r} is for the optimizer {STRATEGIST}, which is not the one of this run.",
            f"Add --optimizer {STRATEGIST}, or leave the strategy out.",
        )


def given_only(**values: Any) -> dict[str, Any]:
    """Only what was given: the rest is left to the sample's settings and the defaults."""
    return {name: value for name, value in values.items() if value is not None and value != {}}


def _renamed(text: str) -> dict[str, str]:
    pairs = [part.split("=") for part in text.split(",")]
    if not all(len(pair) == 2 and all(name.strip() for name in pair) for pair in pairs):
        raise StudioError(f"--rename {text!r} is not a list like question=query,label=answer.")
    return {column.strip(): field.strip() for column, field in pairs}


def _shares(text: str) -> list[float]:
    try:
        shares = [float(part) for part in text.split("/")]
    except ValueError as error:
        raise StudioError(f"--split {text!r} is not three shares like 0.4/0.4/0.2.") from error
    if len(shares) != 3:
        raise StudioError(f"--split {text!r} has {len(shares)} shares.", "Give three: train/val/test.")
    return shares
