"""A run's candidate as a DSPy program: the JSON that `program.load(path)` takes back, and how to load it."""

import json
from collections.abc import Iterable
from pathlib import Path

import dspy

from mipro_studio.optimizer_core.arms import Arms
from mipro_studio.optimizer_core.config import EMBEDDED, ModelSpec, RunConfig
from mipro_studio.optimizer_core.files import written_aside
from mipro_studio.optimizer_core.module_copies import copy_module
from mipro_studio.optimizer_core.program import SAMPLE_PREFIX, load_program
from mipro_studio.optimizer_core.types import Candidate, DemoSet, Instruction

__all__ = ["build_program", "load_saved", "loading_snippet", "save_program"]


def build_program(
    config: RunConfig, instructions: Iterable[Instruction], demo_sets: Iterable[DemoSet], candidate: Candidate
) -> dspy.Module:
    """The run's program with `candidate` put in.

    Raises:
        BadInput: the program cannot be imported any more.
    """
    arms = Arms(load_program(config.program, Path(config.base or ".")))
    for instruction in instructions:
        arms.add(instruction)
    for demo_set in demo_sets:
        arms.add(demo_set)
    return arms.module(candidate)


def save_program(module: dspy.Module, path: Path) -> None:
    """Write instructions and demos of `module` (no models, no keys) as DSPy's JSON, whole or not at all."""
    with written_aside(path, ".json") as aside:  # DSPy chooses the format by the ending
        module.save(aside)


def load_saved(config: RunConfig, path: Path) -> dspy.Module:
    """The program as a person gets it: built anew from its source, then loaded from the file at `path`.

    Raises:
        BadInput: the program cannot be imported any more.
    """
    module = copy_module(load_program(config.program, Path(config.base or ".")).module)
    module.load(path)
    return module


def loading_snippet(config: RunConfig, file_name: str) -> str:
    """Python that loads the exported program and asks it; runs from the folder the run was started in.

    Raises:
        BadInput: the program cannot be imported any more.
    """
    program = load_program(config.program, Path(config.base or "."))
    target, _, named = config.program.partition(":")
    if config.program.startswith(SAMPLE_PREFIX):
        target, named = f"mipro_studio.sample_programs.{named}", "program"
    attribute = named or program.attribute
    made = f"{attribute}()" if program.is_factory(attribute) else attribute
    fields = ", ".join(f'{name}="..."' for name in config.data.inputs or program.predictors[0].inputs)
    return "\n".join(
        [
            "# Run this in the folder that the run was started in, where its program is found.",
            f"import dspy  # made with DSPy {dspy.__version__}",
            "",
            *_import_lines(target, attribute),
            "",
            *_model_lines(config.task_model),
            "",
            f"program = {made}",
            f"program.load({json.dumps(file_name)})",
            f"print(program({fields}))",
            "",
        ]
    )


def _import_lines(target: str, attribute: str) -> list[str]:
    if not target.endswith(".py"):
        return [f"from {target} import {attribute}"]
    path = Path(target)
    if path.stem.isidentifier():
        where = (
            [] if path.parent == Path() else ["import sys", "", f"sys.path.insert(0, {json.dumps(str(path.parent))})"]
        )
        return [*where, f"from {path.stem} import {attribute}"]
    return ["import runpy", "", f"{attribute} = runpy.run_path({json.dumps(target)})[{json.dumps(attribute)}]"]


def _model_lines(spec: ModelSpec) -> list[str]:
    if spec.model == EMBEDDED:
        return [
            "# The embedded model is part of the studio: run this beside its folder, or put your own model in.",
            "from mipro_studio.optimizer_core.models.embedded import CompactAdapter, embedded_lm",
            "",
            "dspy.configure(lm=embedded_lm(), adapter=CompactAdapter())",
        ]
    settings = {"api_base": spec.api_base, "temperature": spec.temperature, "max_tokens": spec.max_tokens}
    given = [f"{name}={value!r}" for name, value in settings.items() if value is not None]
    if spec.api_key_env:
        given.append(f"api_key=os.environ[{spec.api_key_env!r}]")
    elif spec.api_base:
        given.append("api_key='none'")
    arguments = ", ".join([repr(spec.model), *given])
    imports = ["import os", ""] if spec.api_key_env else []
    return [*imports, f"dspy.configure(lm=dspy.LM({arguments}), adapter=dspy.ChatAdapter())"]
