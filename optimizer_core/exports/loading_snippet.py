"""Python that loads an exported program and asks it, with its adapter and its models, in plain DSPy."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import dspy

from mipro_studio.optimizer_core.config import EMBEDDED, NO_CODE, OF_PROGRAM, ModelSpec, RunConfig
from mipro_studio.optimizer_core.models.role_models import own_models
from mipro_studio.optimizer_core.programs.importing import place_of
from mipro_studio.optimizer_core.programs.program import SAMPLE_PREFIX, Program
from mipro_studio.optimizer_core.programs.program_inputs import inputs_of, is_awaited

__all__ = ["loading_snippet"]

_ADAPTERS = {
    "chat": "dspy.ChatAdapter()",
    "json": "dspy.JSONAdapter()",
    "xml": "dspy.XMLAdapter()",
    "two_step": "dspy.TwoStepAdapter(lm)",
    "baml": "BAMLAdapter()",
}


def loading_snippet(config: RunConfig, program: Program, file_name: str, beyond: Sequence[str] = ()) -> str:
    """A script for the folder that the run was started in. Keys stand in it as names of environment variables.

    Args:
        beyond: Lines that put into `program` what the file does not hold.
    """
    imports, made = _making(config, program)
    own, chosen = own_models(program), config.models
    configured = _configuring(config, program)
    asked = f"program({_example_inputs(config, program)})"
    if is_awaited(program.module):
        imports.append("import asyncio")
        asked = f"asyncio.run(program.acall{asked.removeprefix('program')})"
    loading = [f"program.load({json.dumps(file_name)})"]
    if own:
        loading = [
            "own = [predictor.lm for predictor in program.predictors()]  # the models that the program sets itself",
            *loading,
            "for predictor, model in zip(program.predictors(), own):",
            "    predictor.lm = model",
        ]
    if beyond:
        loading += ["# What the saved state does not hold:", *beyond]
    if chosen:
        loading.append("predictors = dict(program.named_predictors())")
        adapters = list(dict.fromkeys(spec.weights for spec in chosen.values() if spec.weights))
        if adapters:
            loading.append(f"adapters = {json.dumps(adapters)}  # one server holds them all")
        loading += [f"predictors[{name!r}].lm = {_model(spec, bool(adapters))}" for name, spec in chosen.items()]
    body = [*made, *configured, *loading, f"print({asked})"]
    if any("os.environ" in line for line in body):
        imports.append("import os")
    if any("BAMLAdapter()" in line for line in body):
        imports.append("from dspy.adapters.baml_adapter import BAMLAdapter")
    if any("embedded_lm" in line for line in body):
        imports.append("from mipro_studio.optimizer_core.models.embedded import CompactAdapter, embedded_lm")
    return "\n".join([_head(config), *sorted(imports, key=_order), *body, ""])


def _head(config: RunConfig) -> str:
    if config.program.startswith(NO_CODE):
        return "# This needs DSPy, the exported file beside it, and nothing else."
    return "# Run this in the folder that the run was started in, where its program is found."


def _order(line: str) -> tuple[bool, bool, str]:
    return line.startswith("from"), "dspy" in line, line


def _making(config: RunConfig, program: Program) -> tuple[list[str], list[str]]:
    """Import lines, and the lines that end with `program = ...`."""
    imports = [f"import dspy  # made with DSPy {dspy.__version__}"]
    source = getattr(program.module, "source_text", None)
    if config.program.startswith(NO_CODE):
        return imports, ["", "", *str(source).splitlines(), "", "", "program = Program()"]
    target, _, named = config.program.partition(":")
    if config.program.startswith(SAMPLE_PREFIX):
        home = f"from mipro_studio.sample_programs.{named} import program"
        return imports, ["", home, *_made(program.making("program"))]
    attribute, _, inside = (named or program.attribute).partition(".")
    base = Path(config.base or ".").resolve()
    place = place_of(target, base)
    lines = [""]
    folders = [_beside(folder, base) for folder in place.folders]
    if folders != ["."]:
        imports.append("import sys")
        lines += [f"sys.path[:0] = {json.dumps(folders)}"]
    if place.has_a_name:
        lines.append(f"from {place.module} import {attribute}")
    else:
        imports.append("import runpy")
        lines.append(f"{attribute} = runpy.run_path({json.dumps(target)})[{json.dumps(attribute)}]")
    found = f"{attribute}.{inside}" if inside else attribute
    return imports, [*lines, *_made(program.making(found))]


def _made(making: str) -> list[str]:
    return ["", *([f"program = {making}"] if making != "program" else [])]


def _beside(folder: Path, base: Path) -> str:
    """Relative to the folder that the run was started in, wherever that is moved to."""
    relative = os.path.relpath(folder, base)
    return str(folder) if relative.startswith("..") else relative


def _configuring(config: RunConfig, program: Program) -> list[str]:
    """What DSPy is told; what the program configures when it is imported is left to it."""
    spec, settings = config.task_model, []
    lines = [""]
    if spec.model == EMBEDDED:
        lines.append("# The embedded model is part of the studio: run this beside it, or put your own model in.")
    adapter = _ADAPTERS.get(config.adapter)
    if adapter is None and "adapter" not in program.configured:
        adapter = "CompactAdapter()" if spec.model == EMBEDDED else _ADAPTERS["chat"]
    if spec.model != OF_PROGRAM:
        settings.append(f"lm={_model(spec)}")
    if adapter is not None and "(lm)" in adapter:
        lines.append(f"lm = {_model(spec) if settings else 'dspy.settings.lm'}")
        settings = ["lm=lm"] if settings else []
    settings += [f"adapter={adapter}"] if adapter is not None else []
    return [*lines, f"dspy.configure({', '.join(settings)})"] if settings else lines


def _model(spec: ModelSpec, shared: bool = False) -> str:
    """`shared`: the embedded model's server holds the snippet's `adapters`."""
    if spec.model == EMBEDDED:
        told = [f"weights={json.dumps(spec.weights)}"] if spec.weights else []
        return f"embedded_lm({', '.join([*told, *(['among=adapters'] if shared else [])])})"
    settings = {"api_base": spec.api_base, "temperature": spec.temperature, "max_tokens": spec.max_tokens}
    given = [f"{name}={value!r}" for name, value in settings.items() if value is not None]
    if spec.api_key_env:
        given.append(f"api_key=os.environ[{spec.api_key_env!r}]")
    elif spec.api_base:
        given.append("api_key='none'")
    return f"dspy.LM({', '.join([repr(spec.model), *given])})"


def _example_inputs(config: RunConfig, program: Program) -> str:
    names = config.data.inputs or tuple(inputs_of(program.module).types) or program.predictors[0].inputs
    if all(name.isidentifier() for name in names):
        return ", ".join(f'{name}="..."' for name in names)
    return "**" + json.dumps(dict.fromkeys(names, "..."))
