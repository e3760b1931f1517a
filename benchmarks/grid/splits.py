"""The rows of a benchmark, written once to files that every optimizer and every seed reads."""

from __future__ import annotations

import json
import random
from pathlib import Path

from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data import Dataset, Fields, gathered_rows, load_dataset
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import Split
from mipro_studio.sample_programs import CATALOG, Sample

__all__ = ["write_splits"]


def write_splits(task: str, sizes: tuple[int, int, int], folder: Path, rows_seed: int = 0) -> dict[str, Path]:
    """{train, val, test} -> JSONL file with at most that many rows of the task's own split, drawn with `rows_seed`.

    A task without official splits is split in the proportions of `sizes` where its own split has too few rows.

    Raises:
        BadInput: the task's data is not here.
    """
    drawn = f"-rows{rows_seed}" if rows_seed else ""
    home = folder / f"{task}-{'-'.join(map(str, sizes))}{drawn}"
    paths = {split.value: home / f"{split.value}.jsonl" for split in Split}
    if all(path.is_file() for path in paths.values()):
        return paths
    data = _dealt(CATALOG[task], sizes, rows_seed)
    home.mkdir(parents=True, exist_ok=True)
    for split, size in zip(Split, sizes, strict=True):
        rows = list(data.of(split))
        if rows_seed:
            random.Random(f"{rows_seed} {split.value}").shuffle(rows)
        lines = [json.dumps({**row.inputs, **row.labels}, ensure_ascii=False) for row in rows[:size]]
        temporary = paths[split.value].with_suffix(".part")
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        temporary.replace(paths[split.value])
    return paths


def _dealt(sample: Sample, sizes: tuple[int, int, int], rows_seed: int) -> Dataset:
    try:
        rows = sample.rows()
    except FileNotFoundError as error:
        raise BadInput(str(error)) from error
    found = gathered_rows(rows, sample.split_column, None)
    own = DataSpec(split=sample.split, stratify=sample.stratify)
    data = load_dataset(own, found, Fields(tuple(sample.inputs)), rows_seed, labels_needed=False)
    if sample.fixed_split or all(len(data.of(split)) >= size for split, size in zip(Split, sizes, strict=True)):
        return data
    train, val, test = (size / sum(sizes) for size in sizes)
    asked = DataSpec(split=(train, val, test), stratify=sample.stratify)
    return load_dataset(asked, found, Fields(tuple(sample.inputs)), rows_seed, labels_needed=False)
