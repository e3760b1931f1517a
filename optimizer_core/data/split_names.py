"""What people call the three splits, and rows that say which of them they are in."""

from collections.abc import Mapping, Sequence
from typing import Any

from mipro_studio.optimizer_core.types import Split

__all__ = ["SPLIT_COLUMN", "SPLIT_NAMES", "split_by_column"]

Row = dict[str, Any]

SPLIT_COLUMN = "split"
"""A column of this name says where its row belongs, where all of its values are names of splits."""

SPLIT_NAMES: Mapping[Split, Sequence[str]] = {
    Split.TRAIN: ("train", "training", "trainset"),
    Split.VAL: ("val", "dev", "validation", "valid", "valset", "devset"),
    Split.TEST: ("test", "testset"),
}


def split_by_column(rows: Sequence[Row]) -> dict[Split, tuple[Row, ...]]:
    """Rows by what their column `split` says, without it; nothing where it does not say so of all."""
    known = {name: split for split, names in SPLIT_NAMES.items() for name in names}
    told = [known.get(str(row.get(SPLIT_COLUMN)).strip().lower()) for row in rows]
    if None in told or Split.TRAIN not in told or len(set(told)) < 2:
        return {}
    parts: dict[Split, list[Row]] = {}
    for split, row in zip(told, rows, strict=True):
        if split is not None:
            parts.setdefault(split, []).append({name: value for name, value in row.items() if name != SPLIT_COLUMN})
    return {split: tuple(parts[split]) for split in Split if split in parts}
