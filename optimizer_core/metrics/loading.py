"""Which metric a run scores with."""

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.errors import BadInput, told_in_line
from mipro_studio.optimizer_core.metrics.built_in import BUILT_IN, built_in_metric
from mipro_studio.optimizer_core.metrics.scoring import Scorer
from mipro_studio.optimizer_core.programs.importing import import_reference, named_in
from mipro_studio.optimizer_core.programs.program import Program

__all__ = ["load_metric"]


def load_metric(reference: str | None, program: Program, base: Path, labels: Sequence[str] = ()) -> Scorer:
    """The metric named: a built-in name, `path.py:function` or `package.module:function`, or the program's own.

    Args:
        labels: Columns that a built-in metric scores; empty = those that the prediction has.

    Raises:
        BadInput: there is none, or it cannot be imported.
    """
    if reference is None:
        if program.metric is None:
            raise BadInput(f"The program {program.name!r} brings no metric.", f"Name one: {_choices(program)}")
        return Scorer(program.metric, getattr(program.metric, "__name__", "metric"))
    if reference in BUILT_IN:
        return Scorer(built_in_metric(reference, labels), reference)
    if ":" not in reference:
        raise BadInput(f"There is no metric {reference!r}.", f"Use {_choices(program)}")
    home, attribute = import_reference(reference, base)
    return Scorer(_found(home, attribute, reference), attribute)


def _choices(program: Program) -> str:
    """What a metric may be, and the functions of the program's file that look like one, as they are named."""
    said = f"{', '.join(BUILT_IN)} or path.py:function."
    own = vars(program.home) if program.home is not None else {}
    there = [name for name, one in own.items() if inspect.isfunction(one) and _looks_like(one)]
    file = Path(own.get("__file__") or "path.py").name
    return f"{said} The program's file has: {', '.join(f'{file}:{name}' for name in there)}." if there else said


def _looks_like(function: Any) -> bool:
    """Whether it takes an example, a prediction, and perhaps a trace."""
    names = list(inspect.signature(function).parameters)
    return names[2:3] == ["trace"] or (len(names) == 2 and names[1].startswith("pred"))


def _found(home: Any, attribute: str, reference: str) -> Any:
    """What `reference` names, also inside of another object (`path.py:Grader.strict`); a class is called for it."""
    try:
        found = named_in(home, attribute)
    except LookupError as missing:
        raise BadInput(f"{reference!r} is not there: nothing in it is named {missing.args[0]!r}.") from None
    if isinstance(found, type):
        try:
            found = found()
        except Exception as error:  # a person's class may refuse in any way
            raise BadInput(
                f"Making the metric {reference!r} raised {told_in_line(error)}.",
                "A class must work without arguments; name an object of it otherwise.",
            ) from error
    if not callable(found):
        raise BadInput(f"{reference!r} is a {type(found).__name__}, not a function.")
    return found
