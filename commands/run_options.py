"""Options of `run` that are settings: each is a path here, its type and its words are those of the settings' types.

`with_settings` gives a command all of them. What has no option of its own is set with `--set`.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import typer

from mipro_studio.commands.options import SettingsOption
from mipro_studio.optimizer_core.config_paths import Setting, all_settings, assigned, merge, put

__all__ = ["with_settings"]

PANELS: Mapping[str, Mapping[str, str]] = {
    "Rows": {
        name: f"data.{name}"
        for name in ("data", "train", "val", "test", "stratify", "group", "delimiter", "encoding", "inputs", "labels",
                     "empty_is_answer")
    },
    "What is good": {"metric": "metric", "objective": "objective"},
    "How it is searched": {
        "start_from": "start_from", "carry_from": "carry_from",
        "optimizer": "optimizer", "preset": "preset", "labeled_demos": "search.labels",
        "strategy": "finetune.strategy", "temperature": "proposer.temperature", "review": "review", "seed": "seed",
        **{
            name: f"search.{name}"
            for name in ("surrogate", "schedule", "trials", "candidates", "instructions", "minibatch_size",
                         "full_eval_every", "max_bootstrapped", "max_labeled", "threshold", "lag", "breadth", "depth",
                         "freeze")
        },
    },
    "How it runs": {"name": "name", "adapter": "adapter", "threads": "threads", "executor": "executor",
                    "processes": "processes", "row_timeout": "row_timeout_s", "row_memory": "row_memory_mb"},
    "Caps": {
        name: f"budget.{name}"
        for name in ("max_program_runs", "max_lm_calls", "max_tokens", "max_usd", "max_minutes")
    },
}  # fmt: skip
"""Panel of the help -> option -> the setting's path."""

SWITCHED_OFF: Mapping[str, tuple[str, Any, str]] = {
    "no_summary": ("proposer.dataset_summary", False, "Proposer sees no dataset summary."),
    "no_program": ("proposer.program_summary", False, "Proposer sees no program summary."),
    "no_tips": ("proposer.tips", [], "Proposer gets no tips."),
    "no_demos": ("proposer.demos", False, "Proposer sees no demos."),
}
"""Option -> the setting's path, what it becomes, and the help."""


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with an option for each setting of the list, instead of its parameter `given`.

    It is called with `given`: the settings that were given, nested as in `RunConfig`.
    """
    known = {setting.path: setting for setting in all_settings()}
    paths = {option: path for options in PANELS.values() for option, path in options.items()}

    def called(**values: Any) -> None:
        given: dict[str, Any] = {}
        for option, path in paths.items():
            value = values.pop(option)
            if value is not None and value is not False:
                put(given, path, _names(value) if known[path].type.startswith("tuple") else value)
        for option, (path, value, _) in SWITCHED_OFF.items():
            if values.pop(option):
                put(given, path, value)
        given = merge(given, assigned(values.pop("settings") or ()))
        command(**values, given=given)

    signature = inspect.signature(command)
    own = [one for one in signature.parameters.values() if one.name != "given"]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *_options(known))]
    called.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    called.__name__, called.__doc__ = command.__name__, command.__doc__
    return called


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _options(known: Mapping[str, Setting]) -> Iterator[inspect.Parameter]:
    for panel, options in PANELS.items():
        for option, path in options.items():
            yield _option(option, known[path], panel)
    for option, (_, _, words) in SWITCHED_OFF.items():
        flag = typer.Option(f"--{option.replace('_', '-')}", help=words, rich_help_panel="How it is searched")
        yield _parameter(option, Annotated[bool, flag], False)
    yield _parameter("settings", SettingsOption, None)


def _option(option: str, setting: Setting, panel: str) -> inspect.Parameter:
    """The first sentence of what the settings say is the help; the default stands beside it."""
    names = setting.type.startswith("tuple")
    words = f"{setting.meaning.split('. ')[0].rstrip('.')}{', by comma' if names else ''}."
    words = words if not setting.type.startswith("'") else f"{words} {setting.type}."
    flags = [f"--{option.replace('_', '-')}"]
    shown = setting.default if setting.default not in ("", "[]", "false") else False
    made = typer.Option(*flags, help=words, show_default=shown, rich_help_panel=panel)
    kind: Any = next((kind for kind in (bool, int, float) if setting.type.startswith(kind.__name__)), str)
    if kind is bool:
        return _parameter(option, Annotated[bool, made], False)
    return _parameter(option, Annotated[kind | None, made], None)


def _parameter(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
