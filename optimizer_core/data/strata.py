"""Which column keeps its shares in every split: the label that the program predicts, where it has few values."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mipro_studio.optimizer_core.data.fields import Columns, is_missing

__all__ = ["NO_STRATA", "classes_in", "is_categorical", "stratum"]

Row = Mapping[str, Any]

NO_STRATA = "none"
"""What a person says for `stratify` when rows are to be drawn without."""

ROWS_A_CLASS = 3
MOST_CLASSES = 100


def is_categorical(rows: Sequence[Row], column: str) -> bool:
    """Whether the values of `column` are classes: at least two, and three rows for each on average."""
    values = Counter(str(row.get(column)) for row in rows if not is_missing(row.get(column)))
    most = max(2, min(MOST_CLASSES, sum(values.values()) // ROWS_A_CLASS))
    return 2 <= len(values) <= most and len(values) < sum(values.values())


def stratum(rows: Sequence[Row], roles: Columns, asked: str | None) -> str | None:
    """The column to stratify by: the one asked for, else the first label that is categorical.

    Where it is not known which column is the label, a single categorical column stands for it.
    """
    if asked is not None:
        return None if asked == NO_STRATA else asked
    candidates = [name for name in roles.labels or roles.others if is_categorical(rows, name)]
    return candidates[0] if candidates and (roles.labels or len(candidates) == 1) else None


def classes_in(rows: Sequence[Row], column: str | None) -> str:
    """`stratified by 'label' (2 classes)`, for a sentence."""
    if column is None:
        return "not stratified"
    return f"stratified by {column!r} ({len({str(row.get(column)) for row in rows})} classes)"
