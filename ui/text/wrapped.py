"""Long texts in tables: they wrap over some lines, so that a narrow page cuts none of them short."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

__all__ = ["WRAPPED_PX", "is_long", "wrapped"]

WRAPPED_PX = 64
"""Height of a row with three lines; Streamlit wraps in none that is lower than 4rem."""
_LONG = 44
_TEXTS_PX, _LEAST_PX = 320, 160
"""Width for all long columns together on a page of 1024, and of one at least."""


def is_long(value: object) -> bool:
    """Whether a cell would be cut in one line of a narrow page."""
    return isinstance(value, str) and len(value) > _LONG


def wrapped(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Arguments of `st.dataframe` for rows with long texts; none where every cell is short.

    Args:
        rows: One mapping a row; the first has all columns.
    """
    long = [name for name in (rows[0] if rows else ()) if any(is_long(row.get(name)) for row in rows)]
    if not long:
        return {}
    width = max(_LEAST_PX, _TEXTS_PX // len(long))
    return {"row_height": WRAPPED_PX, "column_config": {name: st.column_config.Column(width=width) for name in long}}
