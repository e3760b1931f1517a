"""Which predictor and which kind of change the score depends on, named as people name them."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from optimizer_core.types import Json
from ui.charts import importance_figure
from ui.format import plural, score
from ui.live_chart import live_chart

__all__ = ["importance_panel", "named_rows"]

_ROW_PX, _REST_PX = 40, 56


def named_rows(importance: Sequence[Json]) -> list[Mapping[str, Any]]:
    """Rows for the figure, named `answer: demos`."""
    return [
        {**row, "name": row.get("name") or row.get("parameter") or f"{row.get('predictor')}: {row.get('kind')}"}
        for row in importance
        if row.get("spread") is not None
    ]


def importance_panel(importance: Sequence[Json], over: bool) -> None:
    """Bars, or why there are none."""
    rows = named_rows(importance)
    if not rows:
        st.caption(
            "There are too few candidates to tell what mattered from noise."
            if over
            else "Shown when the search is over: how far the score moves with each predictor's instruction and demos."
        )
        return
    top = rows[0]
    live_chart(
        importance_figure(rows),
        key="live_importance",
        height=_REST_PX + _ROW_PX * len(rows),
        alt=f"Spread of the arms' effects; the clearest is {top['name']} with {score(top['spread'])}.",
        revision="importance",
    )
    evidence = f"{plural(top['n_candidates'], 'candidate')}, {plural(top['n_cells'], 'cell')}"
    if not any(row.get("real", True) for row in rows):
        st.text("Nothing stands out from noise in this run.")
    st.caption(
        f"Over {evidence}. Bars: how far the score moves with the choice, with a 90 % interval; x: an instruction and a "  # noqa: E501
        "demo set beyond what each does alone. Grey: what chance alone would reach; grey bars are not told from it."
    )
