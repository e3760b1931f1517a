"""Data that does not come along: where it lies, and rows dealt into fixed splits. Free of DSPy.

The papers' data sets have licences of their own (or none that is stated), so none is part of this project. A task
reads JSONL files from one folder: the one that `MIPRO_STUDIO_DATA` names, or the studio's folder among the user's
data. `python -m sample_programs.fetch TASK` fills it from the official sources.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import platformdirs

__all__ = ["COLBERT_VARIABLE", "FOLDER_VARIABLE", "SPLIT", "dealt", "folder", "read", "retrieval_server"]

Row = dict[str, Any]

FOLDER_VARIABLE: Final = "MIPRO_STUDIO_DATA"
COLBERT_VARIABLE: Final = "MIPRO_STUDIO_COLBERT"
SPLIT: Final = "split"
"""Column that says train, val or test, in rows that come with splits of their own."""

_NAMES: Final = {"train": "train", "dev": "val", "val": "val", "validation": "val", "test": "test"}


def folder() -> Path:
    """The folder of data files; it need not exist."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_data_path("mipro-studio") / "data"


def retrieval_server() -> str | None:
    """URL of a ColBERTv2 server that answers instead of a passage file; None without one."""
    return os.environ.get(COLBERT_VARIABLE) or None


def read(name: str) -> list[Row]:
    """The rows of a JSONL file in the folder, in its order.

    Raises:
        FileNotFoundError: it is not there; the message says how to get it.
    """
    path = folder() / name
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        task = name.partition(".")[0].removesuffix("_corpus")
        raise FileNotFoundError(
            f"The data file {name!r} is not in {str(folder())!r}. Fetch it with "
            f"`python -m sample_programs.fetch {task}`, or set {FOLDER_VARIABLE} to a folder that has it."
        ) from None
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def dealt(
    rows: Sequence[Row], sizes: tuple[int, int, int], columns: Sequence[str], group: str | None = None
) -> list[Row]:
    """Rows with a `split` of train, val or test, the same on every machine and for every seed of a run.

    A row keeps the official split it names; where there is no official val or test, rows are dealt at random.
    The papers sample their splits once and repeat only the optimizer, and so do we.

    Args:
        sizes: Rows of train, val and test as in the paper; fewer rows are dealt in the same proportion.
        columns: The columns kept: what is left out can neither be shown to a model nor give a label away.
        group: Column of families whose rows must not be torn apart (near-duplicates that differ in one fact).
    """
    pools: dict[str, list[Row]] = {"train": [], "val": [], "test": []}
    for row in _shuffled(rows, group):
        pools[_NAMES[row.get(SPLIT) or "train"]].append(row)
    targets = dict(zip(pools, sizes, strict=True))
    parts = {name: pool[: targets[name]] for name, pool in pools.items() if pool and name != "train"}
    open_parts = [name for name in pools if name not in parts]
    wanted = sum(targets[name] for name in open_parts)
    scale = min(1.0, len(pools["train"]) / wanted) if wanted else 0.0
    start = 0
    for name in open_parts:
        end = start + int(targets[name] * scale)
        while group and start < end < len(pools["train"]) and _same(pools["train"], end, group):
            end += 1
        parts[name] = pools["train"][start:end]
        start = end
    return [{**{c: row[c] for c in columns}, SPLIT: name} for name in pools for row in parts[name]]


def _shuffled(rows: Sequence[Row], group: str | None) -> list[Row]:
    families: dict[str, list[Row]] = {}
    for number, row in enumerate(rows):
        families.setdefault(str(row[group]) if group else str(number), []).append(row)
    order = list(families.values())
    random.Random(0).shuffle(order)
    return [row for family in order for row in family]


def _same(pool: Sequence[Row], index: int, group: str) -> bool:
    return bool(pool[index - 1][group] == pool[index][group])
