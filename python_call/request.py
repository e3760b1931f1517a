"""What a person hands to `optimize`, as a request that the studio knows: settings, and the live objects they name."""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import dspy
from pydantic import BaseModel

from mipro_studio.optimizer_core.config import Budget, RunConfig, SearchSettings
from mipro_studio.optimizer_core.config_paths import merge
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.roles import MODEL_PLACES
from mipro_studio.optimizer_core.sources import LIVE

__all__ = ["Metric", "Options", "Request", "Rows", "make_request"]

Metric = Callable[..., Any]
Rows = Iterable[dspy.Example] | str | os.PathLike[str]
"""Examples (or dicts, or records), or the name of a file."""
Model = Any
"""A `dspy.LM`, a model string, or settings {model, api_base, api_key_env, ...}."""

_MODELS = tuple(place[0] for place in MODEL_PLACES.values() if len(place) == 1)
_SECRETS = ("api_key", "azure_ad_token", "aws_secret_access_key", "aws_session_token")
_HERE = "HOME"
"""Stands for the module's name until it has one."""


class Options(TypedDict, total=False):
    """What `optimize` may be told beside program, rows and metric; every other setting goes into `config`.

    Attributes:
        optimizer: One of `mipro-studio optimizers`; `studio` if none is named and the preset is its own.
        preset: A budget by name: studio, light, medium, heavy, paper.
        max_program_runs, max_lm_calls, max_tokens, max_usd, max_minutes: Caps; the sealed test is apart.
        trials: Candidates that the search may try.
        task_model, prompt_model, teacher: A `dspy.LM`, a model string, or settings {model, api_base, api_key_env,
            ...}. Without a task model it is the one that DSPy is configured with, or those of the predictors.
        seed: Of everything that is drawn; 0 is a seed.
        threads: Program runs under way at once.
        name: What the run is called.
        store: The database file; by default that of the current folder.
        display: `notebook`, `text`, `none`, or `auto`: a live view in a notebook's cell, lines elsewhere.
        resume: Id of a run of an earlier call that goes on, with the objects given now.
        ablate: With `resume`, of a run that is completed: score its winner without each of its parts. What each of
            them brings is in `result.facts["parts"]`, and in the app.
        start_anyway: Start although the program or the metric failed on the rows it was tried on.
        despite_errors: Go on although (nearly) every program run fails; with `resume` from now on.
        config: Any settings, nested as `{"search": {"lag": 3}}`.
    """

    optimizer: str
    preset: str
    max_program_runs: int | None
    max_lm_calls: int | None
    max_tokens: int | None
    max_usd: float | None
    max_minutes: float | None
    trials: int | None
    task_model: Model | None
    prompt_model: Model | None
    teacher: Model | None
    seed: int
    threads: int
    name: str
    store: str | os.PathLike[str] | None
    display: str
    resume: str
    ablate: bool
    start_anyway: bool
    despite_errors: bool
    config: Mapping[str, Any]


_OF_THE_CALL = frozenset({"store", "display", "resume", "ablate", "start_anyway", "config"})


@dataclass(frozen=True)
class Request:
    """A request, and what it refers to.

    Attributes:
        settings: Of the run, as a person gave them; live objects by the name that `named` gives them.
        objects: The live objects by name.
        configured: What DSPy is told in the caller's process.
        secrets: Keys that models among the objects hold.
    """

    settings: Mapping[str, Any]
    objects: Mapping[str, Any]
    configured: Mapping[str, Any] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()

    def named(self, home: str) -> dict[str, Any]:
        """The settings, with the live objects as attributes of the module `home`."""
        return _renamed(self.settings, home)  # type: ignore[no-any-return]


def make_request(
    program: dspy.Module | str, metric: Metric | str | None, rows: Mapping[str, Rows | None], options: Options
) -> Request:
    """What is asked for.

    Args:
        rows: Rows by split (train, val, test); None where there are none.

    Raises:
        BadInput: something is not what it should be, or there is no model.
    """
    unknown = set(options) - set(Options.__annotations__)
    if unknown:
        raise BadInput(
            f"optimize() has no option {sorted(unknown)[0]!r}.",
            f"There are: {', '.join(Options.__annotations__)}. Every other setting goes into config={{...}}.",
        )
    objects: dict[str, Any] = {}
    given: dict[str, Any] = {name: value for name, value in options.items() if name not in _OF_THE_CALL}
    settings = _settled({name: value for name, value in given.items() if value is not None})
    settings = merge(settings, options.get("config", {}))
    settings["program"] = _program(program, objects)
    if metric is not None:
        settings["metric"] = _metric(metric, objects, isinstance(program, str))
    settings.setdefault("data", {})
    sources = {split: _rows(split, given, objects) for split, given in rows.items() if given is not None}
    settings["data"] = {**settings["data"], **sources}
    configured = {name: value for name in ("lm", "adapter") if (value := getattr(dspy.settings, name)) is not None}
    _models(settings, objects, configured)
    if objects:
        _require_threads(settings)
    if isinstance(program, dspy.Module):
        settings.setdefault("name", type(program).__name__)
        _require_model(program, settings, configured)
    held = [*objects.values(), *configured.values(), *_models_of(program)]
    return Request(settings, objects, configured, tuple(_secrets(held)))


def _settled(given: Mapping[str, Any]) -> dict[str, Any]:
    """Caps and the search's settings where they belong; the rest stands at the top."""
    settings: dict[str, Any] = {}
    for name, value in given.items():
        home = next((home for home, kind in _BELOW.items() if name in kind.model_fields), None)
        if home is not None:
            settings.setdefault(home, {})[name] = value
        else:
            settings[name] = value
    return settings


_BELOW: Mapping[str, type[BaseModel]] = {"budget": Budget, "search": SearchSettings}
assert set(_BELOW) <= set(RunConfig.model_fields)


def _program(program: Any, objects: dict[str, Any]) -> str:
    if isinstance(program, str):
        return program
    if not isinstance(program, dspy.Module):
        is_class = isinstance(program, type) and issubclass(program, dspy.Module)
        what = f"the class {program.__name__}" if is_class else f"a {type(program).__name__}"
        raise BadInput(
            f"The program is {what}, not a dspy.Module.",
            "Give an instance of a module, or what the command line takes: path.py:NAME, sample:triage.",
        )
    objects["program"] = program
    return f"{_HERE}:program"


def _metric(metric: Any, objects: dict[str, Any], by_name: bool) -> str | None:
    if isinstance(metric, str):
        return metric
    if not callable(metric):
        raise BadInput(f"The metric is a {type(metric).__name__} and cannot be called.", "Give a function or a name.")
    objects["metric"] = metric
    return f"{_HERE}:metric" if by_name else None  # it stands beside a live program as its own


def _rows(split: str, given: Any, objects: dict[str, Any]) -> str:
    if isinstance(given, str | os.PathLike):
        return os.fspath(given)
    name = f"{split}set"
    table = hasattr(given, "columns") and callable(getattr(given, "to_dict", None))
    objects[name] = given if table or not isinstance(given, Iterable) else list(given)
    return f"{_HERE}:{name}"


def _models(settings: dict[str, Any], objects: dict[str, Any], configured: dict[str, Any]) -> None:
    """Models that are objects: the task model becomes what is configured, the others live objects."""
    task = settings.get("task_model")
    if "program" in objects and isinstance(task, dspy.BaseLM):
        configured["lm"] = task
        settings["task_model"] = {"model": "program"}
    elif task is None and "program" not in objects and "lm" in configured:
        settings["task_model"] = configured["lm"]
    for role in _MODELS:
        if isinstance(lm := settings.get(role), dspy.BaseLM):
            objects[role] = lm
            settings[role] = {"model": f"{_HERE}:{role}"}
    for role in _MODELS:
        given = settings.get(role)
        if isinstance(given, str):
            settings[role] = {"model": given}
        elif given is not None and not isinstance(given, Mapping):
            raise BadInput(
                f"{role} is a {type(given).__name__} and no model.",
                "Give a dspy.LM, a model string such as openai/gpt-4o-mini, or its settings.",
            )


def _require_threads(settings: dict[str, Any]) -> None:
    """Objects of this process are not to be had in others."""
    if settings.get("executor") not in (None, "auto", "threads"):
        raise BadInput(
            "Objects of this process cannot be run in others.", "Leave executor out, or name the program by its file."
        )
    settings["executor"] = "threads"


def _require_model(program: dspy.Module, settings: Mapping[str, Any], configured: Mapping[str, Any]) -> None:
    if "task_model" in settings or "lm" in configured:
        return
    if not all(predictor.lm is not None for predictor in program.predictors()):
        raise BadInput(
            "There is no model to run the program with.",
            "Call dspy.configure(lm=...), or name one with task_model=...: `embedded` is the small one that the "
            "studio brings along.",
        )


def _models_of(program: Any) -> list[Any]:
    return [predictor.lm for predictor in program.predictors()] if isinstance(program, dspy.Module) else []


def _secrets(held: Iterable[Any]) -> Iterable[str]:
    for lm in held:
        if isinstance(lm, dspy.BaseLM):
            homes = [lm, getattr(lm, "engine", None)]
            named = [getattr(home, name, None) for home in homes for name in _SECRETS]
            known = [*named, *(getattr(lm, "kwargs", {}).get(name) for name in _SECRETS)]
            yield from (value for value in known if isinstance(value, str))


def _renamed(value: Any, home: str) -> Any:
    if isinstance(value, str):
        return f"{home}{value.removeprefix(_HERE)}" if value.startswith(f"{_HERE}:") else value
    if isinstance(value, Mapping):
        return {name: _renamed(item, home) for name, item in value.items()}
    return [_renamed(item, home) for item in value] if isinstance(value, list | tuple) else value


def store_of(options: Options, default: Path) -> Path:
    """The store that is asked for, absolute: the caller may change its folder meanwhile."""
    return Path(options.get("store") or default).expanduser().resolve()


def live_name(config: Mapping[str, Any]) -> str:
    """The name of the module that a stored run looks its objects up in; "" when it has none."""
    home = str(config.get("program", "")).partition(":")[0]
    found = [home, *(str(value).partition(":")[0] for value in dict(config.get("data") or {}).values())]
    return next((name for name in found if name.startswith(LIVE)), "")
