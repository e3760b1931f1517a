"""Rows from an object of a person's Python file: typed values stay what they are.

Naming it imports the file, so this is for processes that run a person's code.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

import dspy
from pydantic import BaseModel

from mipro_studio.optimizer_core.data import Gathered
from mipro_studio.optimizer_core.data.split_names import SPLIT_NAMES
from mipro_studio.optimizer_core.data_spec import DataSpec
from mipro_studio.optimizer_core.errors import BadInput, told_in_line
from mipro_studio.optimizer_core.programs.importing import import_reference, named_in
from mipro_studio.optimizer_core.programs.live_objects import keep_value
from mipro_studio.optimizer_core.programs.shown_values import TAG
from mipro_studio.optimizer_core.programs.value_tags import OBJECT, SHOWN, names_unknown_class
from mipro_studio.optimizer_core.programs.values import as_prompted, decode, encode, same
from mipro_studio.optimizer_core.sources import is_live, is_python_source
from mipro_studio.optimizer_core.types import Example, Split

__all__ = ["import_classes", "python_rows"]

Row = dict[str, Any]

_OF_DSPY = frozenset({"dspy_uuid", "dspy_split"})
"""What DSPy's data sets note about a row beside its fields; the first differs from one process to the next."""

_WHAT = "a list of dspy.Example or of dicts, a function that returns one, or an object with train and dev"


def python_rows(base: Path, types: Mapping[str, Any]) -> Callable[[str], Gathered]:
    """A reader of `path.py:name` and `package.module:name`.

    Args:
        base: Folder that paths and packages are looked up in.
        types: Annotations of the program's inputs: their values are kept as JSON where that is enough to read them
            back.
    """

    def read(reference: str) -> Gathered:
        found = _object(reference, base)
        try:
            parts = _parts(found, reference)
        except BadInput:
            raise
        except Exception as error:  # reading them may run a person's code, or fetch a data set
            raise BadInput(f"Reading the rows of {_told(reference)!r} raised {told_in_line(error)}.") from error
        columns = _Columns(types)
        made = {split: tuple(columns.row(row, reference) for row in rows) for split, rows in parts.items()}
        if not any(made.values()):
            raise BadInput(f"{_told(reference)!r} has no rows.")
        how = {"format": "python", "rows": sum(map(len, made.values()))}
        return Gathered(
            pool=made.get(None, ()),
            parts={split: rows for split, rows in made.items() if split and rows},
            inputs=columns.inputs,
            notes=columns.notes(reference),
            tables={_name(reference): how},
        )

    return read


def import_classes(spec: DataSpec, examples: Iterable[Example], base: Path) -> None:
    """Import the Python sources of a run's rows where a value is of a class that only they define.

    Raises:
        BadInput: such a source cannot be imported any more.
    """
    sources = [one for one in (spec.data, spec.train, spec.val, spec.test) if one and is_python_source(one)]
    if sources and any(names_unknown_class([row.inputs, row.labels]) for row in examples):
        for source in sources:
            import_reference(source, base)


def _name(reference: str) -> str:
    """What a person calls the rows: an argument of their call, or a file's object without its folder."""
    home, _, name = reference.rpartition(":")
    return name if is_live(reference) else f"{Path(home).name}:{name}"


def _told(reference: str) -> str:
    return _name(reference) if is_live(reference) else reference


def _object(reference: str, base: Path) -> Any:
    """The object that `reference` names, called where it is a function or a class."""
    home, name = import_reference(reference, base)
    if not name:
        raise BadInput(f"{reference!r} names no rows.", f"Name the object in it, as {reference}:trainset: {_WHAT}.")
    try:
        found = named_in(home, name)
    except LookupError:
        raise BadInput(f"{reference.rpartition(':')[0]!r} has nothing named {name!r}.") from None
    if not callable(found):
        return found
    try:
        return found()
    except Exception as error:  # a person's code may raise anything
        raise BadInput(f"{reference!r} raised {told_in_line(error)}.", "It is called without arguments.") from error


def _parts(found: Any, reference: str) -> dict[Split | None, list[Any]]:
    """Rows by split; all under None where they are not split."""
    parts: dict[Split | None, list[Any]] = {}
    for split, names in SPLIT_NAMES.items():
        given = next((one for name in names if (one := _part(found, name)) is not None), None)
        if given is not None:
            parts[split] = _rows(given, reference)
    if Split.TRAIN in parts:
        return parts
    if lists := _lists(found):
        return {split: _rows(one, reference) for split, one in zip(Split, lists, strict=False)}
    return {None: _rows(found, reference)}


def _lists(found: Any) -> Sequence[list[Any]]:
    """Two or three lists that are splits: all of `found`, or what it begins with where other things follow."""
    if not isinstance(found, list | tuple):
        return ()
    leading = list(takewhile(_is_list_of_examples, found))
    if 2 <= len(leading) <= 3:
        return leading
    return found if 2 <= len(found) <= 3 and all(isinstance(one, list) for one in found) else ()


def _is_list_of_examples(found: Any) -> bool:
    return isinstance(found, list) and bool(found) and all(isinstance(row, dspy.Example) for row in found)


def _part(found: Any, name: str) -> Any:
    """The rows of one split, where `found` has splits: as a data set of DSPy, or a dict of them, does."""
    if isinstance(found, list | tuple | str) or _is_table(found):
        return None
    part = found.get(name) if isinstance(found, Mapping) else getattr(found, name, None)
    return None if callable(part) else part


def _rows(found: Any, reference: str) -> list[Any]:
    if _is_table(found):
        return _rows_of_table(found)
    if callable(as_rows := getattr(found, "to_pylist", None)):  # a table of pyarrow, which iterates over its columns
        return list(as_rows())
    indexed = hasattr(found, "__getitem__") and hasattr(found, "__len__")
    if isinstance(found, str | bytes | Mapping) or not (indexed or isinstance(found, Iterable)):
        raise BadInput(f"{_told(reference)!r} is a {type(found).__name__} and no rows.", f"Make it {_WHAT}.")
    if isinstance(found, Iterable):
        return list(found)
    return [found[place] for place in range(len(found))]  # as a data set of PyTorch is read


def _is_table(found: Any) -> bool:
    """Whether `found` is a data frame of pandas or polars, which need not be installed."""
    return hasattr(found, "columns") and callable(getattr(found, "to_dict", None))


def _rows_of_table(table: Any) -> list[Any]:
    """Rows whose missing values are None: pandas has NaN, NaT and NA for them."""
    if hasattr(table, "to_dicts"):
        return list(table.to_dicts())
    return list(table.astype(object).where(table.notna(), None).to_dict("records"))


class _Columns:
    """Makes JSON of rows, and notes which fields their examples call inputs and what could not be kept."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        self._types = types
        self._inputs: dict[str, None] = {}
        self._lost: dict[str, str] = {}
        self._count = 0

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(self._inputs)

    def notes(self, reference: str) -> tuple[str, ...]:
        name = _name(reference)
        return tuple(
            f"{name}: values of {column!r} ({kind}) cannot be kept as they are: programs and metrics see text."
            for column, kind in self._lost.items()
        )

    def row(self, row: Any, reference: str) -> Row:
        """`row` as JSON values.

        Raises:
            BadInput: it is no row.
        """
        self._count += 1
        fields = _fields(row)
        if fields is None:
            raise BadInput(
                f"{_told(reference)!r}: row {self._count} is a {type(row).__name__} and no row.",
                "A row is a dspy.Example, a dict, or a record with fields; lists of them are taken as splits where "
                "there are two or three (train, val, test).",
            )
        own = getattr(row, "_input_keys", None) if isinstance(row, dspy.Example) else None
        self._inputs |= dict.fromkeys(name for name in fields if own and name in own)
        if is_live(reference):
            return {name: self._live(name, value, own, reference) for name, value in fields.items()}
        return {name: self._kept(name, value, own) for name, value in fields.items()}

    def _live(self, name: str, value: Any, own: Iterable[str] | None, reference: str) -> Any:
        """The value of a row of this process: itself, where what is written would not come back as the same."""
        kept = self._written(name, value, own)
        try:
            back = decode(kept, self._types.get(name, Any)) if self._is_input(name, own) else decode(kept)
            if same(back, value):
                return kept
        except Exception:  # noqa: BLE001 - a person's objects may refuse to be read or compared in any way
            pass
        return {
            TAG: OBJECT,
            "key": keep_value(reference, f"{self._count}:{name}", value),
            "value": as_prompted(value),
        }

    def _kept(self, name: str, value: Any, own: Iterable[str] | None) -> Any:
        kept = self._written(name, value, own)
        if isinstance(kept, dict) and kept.get(TAG) == SHOWN:
            self._lost.setdefault(name, type(value).__name__)
        return kept

    def _is_input(self, name: str, own: Iterable[str] | None) -> bool:
        return name in own if own is not None else name in self._types

    def _written(self, name: str, value: Any, own: Iterable[str] | None) -> Any:
        return encode(value, self._types.get(name, Any)) if self._is_input(name, own) else encode(value)


def _fields(row: Any) -> dict[str, Any] | None:
    """Name -> value of a row; None when it is none."""
    fields: dict[str, Any] | None
    if isinstance(row, dspy.Example):
        fields = {name: row[name] for name in row.keys(include_dspy=True) if name not in _OF_DSPY}
    elif isinstance(row, BaseModel):
        fields = {name: getattr(row, name) for name in type(row).model_fields}
    elif dataclasses.is_dataclass(row) and not isinstance(row, type):
        fields = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    elif isinstance(row, tuple) and hasattr(row, "_asdict"):
        fields = dict(row._asdict())
    else:
        fields = dict(row) if isinstance(row, Mapping) else None
    return fields if fields and all(isinstance(name, str) for name in fields) else None
