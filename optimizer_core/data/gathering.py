"""Where rows come from: files, a sample, or an object in a Python file."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data.reading import read_table
from mipro_studio.optimizer_core.data.split_names import SPLIT_COLUMN, split_by_column
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.sources import is_python_source
from mipro_studio.optimizer_core.types import Split

__all__ = ["Gathered", "PythonRows", "gather", "gathered_rows"]

Row = dict[str, Any]


@dataclass(frozen=True)
class Gathered:
    """Rows as they were found.

    Attributes:
        pool: Rows that are still to be split; empty when `parts` holds them.
        parts: Rows by the split that they were given for.
        told: The rows themselves say which split they are in.
        inputs: Inputs that the rows name (`Example.with_inputs`); empty when they name none.
        notes: Sentences for a person about how they were read.
        tables: Name of each source -> {format, encoding, delimiter, rows}.
    """

    pool: tuple[Row, ...] = ()
    parts: Mapping[Split, tuple[Row, ...]] = field(default_factory=dict)
    told: bool = False
    inputs: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


PythonRows = Callable[[str], Gathered]
"""Imports the object that `path.py:name` names, which runs a person's code: only inspection processes have one."""


def gathered_rows(rows: Sequence[Row], split_column: str | None, limit: int | None) -> Gathered:
    """A sample's own rows.

    Args:
        split_column: Column that says train, val or test, and is left out; given, nothing is split here.
        limit: Most rows in all, or in each split where the rows name theirs.
    """
    if split_column is None:
        return Gathered(pool=tuple(rows[:limit]))
    parts: dict[Split, list[Row]] = {split: [] for split in Split}
    for row in rows:
        told = {name: value for name, value in row.items() if name != split_column}
        parts[Split(row[split_column])].append(told)
    return Gathered(parts={split: tuple(part[:limit]) for split, part in parts.items() if part}, told=True)


def gather(spec: DataSpec, python: PythonRows | None = None) -> Gathered:
    """The rows that `spec` names, at most `spec.limit` of each source.

    Args:
        python: Reads Python sources; without it they are refused.

    Raises:
        BadInput: nothing is named, or it cannot be read.
    """
    named = {split: getattr(spec, split.value) for split in Split if getattr(spec, split.value)}
    if spec.data and named:
        raise BadInput("Name one file for all, or a file for each split, not both.")
    if spec.data:
        return _limited(_by_column(_source(spec.data, spec, python), spec), spec.limit)
    if not named:
        raise BadInput("There is no data.", "Name a file with --data, or files with --train and --val.")
    if Split.TRAIN not in named:
        raise BadInput("A training file is needed.", "Name one with --train, or one file for all with --data.")
    sources = {split: _one_part(split, _source(name, spec, python)) for split, name in named.items()}
    return _joined({split: _limited(found, spec.limit) for split, found in sources.items()})


def _source(reference: str, spec: DataSpec, python: PythonRows | None) -> Gathered:
    if is_python_source(reference):
        if python is None:
            raise BadInput(f"{reference!r} is Python code, which is not run here.", "Check the run to see its rows.")
        return python(reference)
    path = Path(reference).expanduser()
    table = read_table(path, spec.delimiter, spec.encoding)
    how = {**table.how, "rows": len(table.rows)}
    parts = {split: tuple(rows) for split, rows in table.parts.items()}
    return Gathered(
        pool=() if parts else tuple(table.rows),
        parts=parts,
        notes=table.notes,
        tables={path.name: how},
    )


def _by_column(found: Gathered, spec: DataSpec) -> Gathered:
    """The rows by split, where a column of theirs says it and is meant for nothing else."""
    if SPLIT_COLUMN in (*spec.inputs, *spec.labels, *spec.columns, spec.group, spec.stratify):
        return found
    parts = split_by_column(found.pool)
    return replace(found, pool=(), parts=parts, told=True) if parts else found


def _one_part(split: Split, found: Gathered) -> Gathered:
    """A source for one split that may itself have several: of those, the one that is asked for."""
    if not found.parts:
        return found
    return replace(found, pool=found.parts.get(split) or found.parts.get(Split.TRAIN, ()), parts={})


def _limited(found: Gathered, limit: int | None) -> Gathered:
    parts = {split: part[:limit] for split, part in found.parts.items()}
    return replace(found, pool=found.pool[:limit], parts=parts)


def _joined(found: Mapping[Split, Gathered]) -> Gathered:
    every: Iterable[Gathered] = found.values()
    return Gathered(
        parts={split: one.pool for split, one in found.items()},
        inputs=next((one.inputs for one in every if one.inputs), ()),
        notes=tuple(note for one in found.values() for note in one.notes),
        tables={name: how for one in found.values() for name, how in one.tables.items()},
    )
