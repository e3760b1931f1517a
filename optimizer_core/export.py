"""A run's winner as a DSPy program: the JSON that `program.load(path)` takes back."""

from collections.abc import Iterable
from pathlib import Path

import dspy

from optimizer_core.config import RunConfig
from optimizer_core.program import Arms, load_program
from optimizer_core.types import Candidate, DemoSet, Instruction

__all__ = ["build_program", "save_program"]


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
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part.json")
    try:
        module.save(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
