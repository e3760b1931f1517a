"""Which columns of the data a program is given, and whether they are what it takes."""

from collections.abc import Mapping, Sequence

from mipro_studio.optimizer_core.data import Gathered
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.programs.program import Program
from mipro_studio.optimizer_core.programs.program_inputs import Inputs, allows_none, entry_of, inputs_of

__all__ = ["check_inputs", "columns_of", "input_columns", "optional_inputs"]


def columns_of(found: Gathered, renamed: Mapping[str, str]) -> tuple[str, ...]:
    """All columns of all rows, in the order in which they first come, those of `renamed` under their new names."""
    rows = found.pool or [row for part in found.parts.values() for row in part]
    return tuple(dict.fromkeys(renamed.get(name, name) for row in rows for name in row))


def _taken(program: Program) -> Inputs:
    if entry_of(program.module) is None:
        raise BadInput(f"The program {program.name!r} has no forward() and no aforward(), so it cannot be run.")
    return inputs_of(program.module)


def input_columns(program: Program, columns: Sequence[str]) -> tuple[str, ...]:
    """Inputs of the program: what its call and its signature name.

    A forward(**kwargs) that names nothing is given every column that no predictor puts out; where that would leave
    no label, only those that a predictor takes in.

    Raises:
        BadInput: it cannot be called.
    """
    taken = _taken(program)
    named = [name for name in taken.types if name not in taken.guessed]
    if not taken.guessed:
        return tuple(named)
    outputs = {name for info in program.predictors for name in info.outputs}
    inner = {name for info in program.predictors for name in info.inputs} - outputs
    others = [name for name in columns if name not in named and name not in outputs]
    if named or len(others) == len(columns):
        others = [name for name in others if name in inner]
    return (*named, *others) or program.predictors[0].inputs


def optional_inputs(program: Program) -> frozenset[str]:
    """Inputs that may be null or have no column: those with a default or a type that allows None."""
    taken = _taken(program)
    return frozenset(taken.types) - taken.required | {name for name, kind in taken.types.items() if allows_none(kind)}


def check_inputs(inputs: Sequence[str], program: Program) -> None:
    """The program is called with the inputs by name, so it must take each and want no other."""
    taken = _taken(program)
    unknown = [name for name in inputs if name not in taken.types and not taken.open]
    missing = sorted(taken.required - {*inputs}, key=list(taken.types).index)
    if unknown or missing:
        what = f"does not take {unknown[0]!r}" if unknown else f"wants {missing[0]!r} as well"
        raise BadInput(
            f"The program's forward() {what}: its inputs are {', '.join(taken.types)}, and the data gives "
            f"{', '.join(inputs)}.",
            "Name the input columns after the program's inputs.",
        )
