"""Rows from files, their identity, and the split into train, validation and sealed test."""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.seeds import generator
from mipro_studio.optimizer_core.types import Example, Split

__all__ = ["Dataset", "example_id", "load_dataset", "read_rows", "split_rows"]

Row = dict[str, Any]
FORMATS = (".csv", ".json", ".jsonl", ".parquet")
MAX_STRATA = 20


@dataclass(frozen=True)
class Dataset:
    """Rows of a run. `warnings` are sentences for a person; `stratified_by` is what took effect."""

    examples: tuple[Example, ...]
    columns: tuple[str, ...]
    warnings: tuple[str, ...]
    stratified_by: str | None

    def of(self, split: Split) -> list[Example]:
        return [example for example in self.examples if example.split is split]


def read_rows(path: Path) -> list[Row]:
    """Rows of a CSV, JSON (a list of objects), JSONL or Parquet file.

    Raises:
        BadInput: the file is missing, empty, of another kind, or not what its ending says (with the line).
    """
    if not path.is_file():
        raise BadInput(f"There is no file {str(path)!r}.")
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise BadInput(f"{path.name!r} is not a kind of file I read.", f"Use one of {', '.join(FORMATS)}.")
    if suffix == ".parquet":
        rows = _read_parquet(path)
    else:
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadInput(f"{path.name!r} is not UTF-8 text (byte {error.start}).") from error
        rows = {".csv": _read_csv, ".json": _read_json, ".jsonl": _read_jsonl}[suffix](path, text)
    if not rows:
        raise BadInput(f"{path.name!r} has no rows.")
    return rows


def _read_csv(path: Path, text: str) -> list[Row]:
    csv.field_size_limit(2**31 - 1)  # the default of 128 KiB refuses long documents
    # Not splitlines(): it also cuts at separators such as U+2028, which end no row.
    reader = csv.DictReader(io.StringIO(text, newline=""))
    rows = []
    for row in reader:
        if None in row:
            raise BadInput(f"{path.name!r} line {reader.line_num} has more cells than the header has columns.")
        rows.append(dict(row))
    return rows


def _read_json(path: Path, text: str) -> list[Row]:
    try:
        rows = json.loads(text) if text.strip() else []
    except json.JSONDecodeError as error:
        raise BadInput(f"{path.name!r} line {error.lineno} is not JSON: {error.msg}.") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(f"{path.name!r} must hold a list of objects.", "Use one object a row.")
    return rows


def _read_jsonl(path: Path, text: str) -> list[Row]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise BadInput(f"{path.name!r} line {number} is not JSON: {error.msg}.") from error
        if not isinstance(row, dict):
            raise BadInput(f"{path.name!r} line {number} is not an object.")
        rows.append(row)
    return rows


def _read_parquet(path: Path) -> list[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        rows: list[Row] = pyarrow.parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowInvalid, OSError) as error:
        raise BadInput(f"{path.name!r} is not a Parquet file: {error}.") from error
    # Dates, decimals and bytes become text once, here, so that every later step sees JSON values.
    return [json.loads(json.dumps(row, default=str)) for row in rows]


def example_id(inputs: Mapping[str, Any], labels: Mapping[str, Any]) -> str:
    """Content hash of a row: the same row has the same id in every split, run and machine."""
    text = json.dumps([dict(inputs), dict(labels)], sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def load_dataset(
    spec: DataSpec, rows: Sequence[Row] | None, inputs: Sequence[str], seed: int, split_column: str | None = None
) -> Dataset:
    """Rows of `spec` (or a sample's own `rows`) as examples with `inputs`, split with `seed`.

    Args:
        split_column: Column of `rows` that says train, val or test; given, nothing is split here.

    Raises:
        BadInput: nothing to read, a missing column, or a split that would be empty.
    """
    warnings: list[str] = []
    if spec.train or spec.val or spec.test:
        if spec.data:
            raise BadInput("Name one file for all, or a file for each split, not both.")
        parts = {
            split: read_rows(Path(path).expanduser())[: spec.limit]
            for split, path in ((Split.TRAIN, spec.train), (Split.VAL, spec.val), (Split.TEST, spec.test))
            if path
        }
        if Split.TRAIN not in parts:
            raise BadInput("A training file is needed.", "Name one with --train, or one file for all with --data.")
    else:
        parts = {}
        if spec.data:
            rows = read_rows(Path(spec.data).expanduser())
        if not rows:
            raise BadInput("There is no data.", "Name a file with --data, or files with --train and --val.")
        if split_column is not None and not spec.data:
            parts = _as_told(rows, split_column, spec.limit)
    everything = [row for part in parts.values() for row in part] or list(rows or ())[: spec.limit]
    fields = _rename(everything, spec.columns)
    columns = tuple(fields[0])
    _require_columns(fields, inputs, columns)
    stratify = None if split_column and not spec.data else _stratum(fields, inputs, columns, spec.stratify)
    if parts:
        by_split = {split: _rename(part, spec.columns) for split, part in parts.items()}
        if Split.VAL not in by_split:
            train, val, _ = split_rows(by_split[Split.TRAIN], (0.5, 0.5, 0.0), stratify, seed)
            by_split |= {Split.TRAIN: train, Split.VAL: val}
            warnings.append("No validation file: half of the training rows, drawn at random, became it.")
    else:
        by_split = dict(zip(Split, split_rows(fields, spec.split, stratify, seed), strict=True))
    examples = _as_examples(by_split, inputs, warnings)
    return Dataset(tuple(examples), columns, tuple(warnings), stratify)


def _as_told(rows: Sequence[Row], column: str, limit: int | None) -> dict[Split, list[Row]]:
    """Rows by the split that each names in `column`, which is left out; at most `limit` in each."""
    parts: dict[Split, list[Row]] = {split: [] for split in Split}
    for row in rows:
        parts[Split(row[column])].append({name: value for name, value in row.items() if name != column})
    return {split: part[:limit] for split, part in parts.items() if part}


def _rename(rows: Sequence[Row], columns: Mapping[str, str]) -> list[Row]:
    return [{columns.get(name, name): value for name, value in row.items()} for row in rows]


def _require_columns(rows: Sequence[Row], inputs: Sequence[str], columns: Sequence[str]) -> None:
    if not inputs:
        raise BadInput("It is not clear which columns are inputs.", "Name them with --inputs a,b.")
    for number, row in enumerate(rows, start=1):
        missing = [name for name in inputs if row.get(name) is None]
        if missing:
            raise BadInput(
                f"Row {number} has no column {missing[0]!r}.",
                f"The data has: {', '.join(columns)}. Name the inputs (--inputs), or rename a column "
                "(--rename; in the form, Map columns).",
            )


def _stratum(rows: Sequence[Row], inputs: Sequence[str], columns: Sequence[str], asked: str | None) -> str | None:
    if asked is not None:
        if asked not in columns:
            raise BadInput(f"There is no column {asked!r} to stratify by.", f"The data has: {', '.join(columns)}.")
        return asked
    for name in columns:
        counts = Counter(str(row.get(name)) for row in rows)
        if name not in inputs and 1 < len(counts) <= MAX_STRATA and min(counts.values()) >= 3:
            return name
    return None


def split_rows(
    rows: Sequence[Row], shares: tuple[float, float, float], stratify: str | None, seed: int
) -> tuple[list[Row], list[Row], list[Row]]:
    """Deal shuffled rows, stratum after stratum, to the split that is furthest behind its share.

    Unlike a split by class this needs no least count per class, and the sizes are off by at most one row.

    Raises:
        BadInput: shares that are negative or do not sum to one.
    """
    if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise BadInput(f"The split {shares} must be three shares of at least 0 that sum to 1.")
    rng = generator(seed, "split")
    order = list(range(len(rows)))
    rng.shuffle(order)
    if stratify is not None:
        order.sort(key=lambda i: str(rows[i].get(stratify)))
    parts: tuple[list[Row], list[Row], list[Row]] = ([], [], [])
    for dealt, index in enumerate(order, start=1):
        behind = [share * dealt - len(part) for share, part in zip(shares, parts, strict=True)]
        parts[behind.index(max(behind))].append(rows[index])
    for part in parts:
        rng.shuffle(part)  # the strata must not stand in blocks: bootstrapping walks the rows in order
    return parts


def _as_examples(
    by_split: Mapping[Split, Sequence[Row]], inputs: Sequence[str], warnings: list[str]
) -> list[Example]:
    examples: list[Example] = []
    taken: set[tuple[Split, str]] = set()
    home: dict[str, Split] = {}  # hash of the inputs alone: a row that leaks may carry another id or label
    repeated = 0
    shared: Counter[tuple[Split, Split]] = Counter()
    for split in Split:
        position = 0
        for row in by_split.get(split, ()):
            given = {name: row[name] for name in inputs}
            labels = {name: value for name, value in row.items() if name not in inputs}
            identity = example_id(given, labels)
            if (split, identity) in taken:
                repeated += 1
                continue
            taken.add((split, identity))
            first = home.setdefault(example_id(given, {}), split)
            if first is not split:
                shared[first, split] += 1
            examples.append(Example(identity, split, position, given, labels))
            position += 1
    if repeated:
        warnings.append(f"{repeated} rows stood twice in the same split and are used once.")
    for (first, second), count in shared.items():
        warnings.append(
            f"{count} rows with the same inputs stand in both {first} and {second}: scores on {second} flatter."
        )
    return examples
