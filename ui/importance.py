"""Which module and which kind of change the score depends on, named as people name them."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from optimizer_core.types import Json
from ui.charts import importance_figure
from ui.format import share
from ui.live_chart import live_chart

__all__ = ["importance_panel", "named_rows"]

_KINDS = {"instruction": "instruction", "demos": "demos", "demo": "demos"}


def named_rows(importance: Sequence[Json]) -> list[Mapping[str, Any]]:
    """Rows for the figure: `answer: demos`, its share, its interval, and what chance alone would give."""
    rows = []
    for row in importance:
        kind = str(row.get("kind", ""))
        rows.append({**row, "name": f"{row.get('predictor', '')}: {_KINDS.get(kind, kind)}"})
    return [row for row in rows if row.get("share") is not None]


def importance_panel(importance: Sequence[Json], trials_done: int, key: str) -> None:
    """Bars, or why there are none."""
    rows = named_rows(importance)
    if not rows:
        st.caption(
            "Shown when the search is over: which predictor's instruction or demos the score depends on. "
            f"With few trials ({trials_done} so far) such shares are mostly noise."
        )
        return
    top = max(rows, key=lambda row: row["share"])
    live_chart(
        importance_figure(rows),
        key=key,
        height=56 + 38 * len(rows),
        alt=f"Share of the score's variation; the largest is {top['name']} with {share(top['share'])}.",
        revision="importance",
    )
    if any(row.get("null") is not None for row in rows):
        st.caption("The grey band is what chance alone would reach; grey bars cannot be told from noise.")
