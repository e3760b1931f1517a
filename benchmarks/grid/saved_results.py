"""Results in a file of their own, a JSON object a line: they outlive the store and can be committed with a claim."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from mipro_studio.benchmarks.grid.results import Measured
from mipro_studio.optimizer_core.errors import BadInput

__all__ = ["load_results", "save_results"]

_ONE = TypeAdapter(Measured)


def save_results(results: Sequence[Measured], path: Path) -> None:
    """Write the results, sorted by cap, task, seed and optimizer, over what is at `path`."""
    marks = ("max_program_runs", "task", "seed", "optimizer")
    ordered = sorted(results, key=lambda one: [one.mark[name] for name in marks])
    path.write_bytes(b"".join(_ONE.dump_json(one) + b"\n" for one in ordered))


def load_results(path: Path) -> list[Measured]:
    """What `save_results` wrote. Raises `BadInput` for a file that is not there or is another kind of file."""
    try:
        return [_ONE.validate_json(line) for line in path.read_bytes().splitlines()]
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise BadInput(f"{path} holds no saved results.", "Write it with `versus --save`.") from error
