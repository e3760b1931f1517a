"""The rows of a benchmark, written once to files that every optimizer and every seed reads."""

from __future__ import annotations

import json
from pathlib import Path

from mipro_studio.optimizer_core.config import DataSpec
from mipro_studio.optimizer_core.data import Fields, gathered_rows, load_dataset
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.optimizer_core.types import Split
from mipro_studio.sample_programs import CATALOG

__all__ = ["write_splits"]


def write_splits(task: str, sizes: tuple[int, int, int], folder: Path) -> dict[str, Path]:
    """{train, val, test} -> JSONL file with at most that many rows of the task's own split, drawn with seed 0.

    Raises:
        BadInput: the task's data is not here.
    """
    sample = CATALOG[task]
    home = folder / f"{task}-{'-'.join(map(str, sizes))}"
    paths = {split.value: home / f"{split.value}.jsonl" for split in Split}
    if all(path.is_file() for path in paths.values()):
        return paths
    try:
        rows = sample.rows()
    except FileNotFoundError as error:
        raise BadInput(str(error)) from error
    spec = DataSpec(split=sample.split, stratify=sample.stratify)
    found = gathered_rows(rows, sample.split_column, None)
    data = load_dataset(spec, found, Fields(tuple(sample.inputs)), 0, labels_needed=False)
    home.mkdir(parents=True, exist_ok=True)
    for split, size in zip(Split, sizes, strict=True):
        lines = [json.dumps({**row.inputs, **row.labels}, ensure_ascii=False) for row in data.of(split)[:size]]
        temporary = paths[split.value].with_suffix(".part")
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        temporary.replace(paths[split.value])
    return paths
