"""What the score depends on, as horizontal bars; drawn by `ui.charts.live_chart`. Pure functions, no Streamlit."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from mipro_studio.ui.charts.figures import label
from mipro_studio.ui.text.format import share

__all__ = ["importance_figure", "shares_figure"]

Figure = dict[str, Any]


def importance_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """How far the score moves with each parameter's choice, as horizontal bars over the band of pure noise.

    Args:
        rows: {name, said, spread, null, real} and, of newer runs, {low, high}, the largest first; the numbers in
            units of the score, `said` being the spread in words.
    """
    ordered = list(reversed(rows))
    names = _names(ordered)
    reach = [(row.get("low", row["spread"]), row["spread"], row.get("high", row["spread"])) for row in ordered]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [f"{label(name, 30)}   <b>{row['said']}</b>" for row, name in zip(ordered, names, strict=True)],
        "x": [row["spread"] for row in ordered],
        "customdata": [_mark(row) for row in ordered],
        "marker": {"color": ["@c0" if row.get("real", True) else "@muted/0.6" for row in ordered]},
        "hovertext": ["stands out from noise" if row.get("real", True) else "not told from noise" for row in ordered],
        "hovertemplate": "%{y}<br>%{hovertext}<extra></extra>",
        "showlegend": False,
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - middle for _, middle, high in reach],
            "arrayminus": [middle - low for low, middle, _ in reach],
            "color": "@muted",
            "thickness": 1,
            "width": 3,
        },
    }
    bands = [
        {
            "type": "rect",
            "x0": 0,
            "x1": row["null"],
            "y0": place - 0.45,
            "y1": place + 0.45,
            "fillcolor": "@muted/0.14",
            "line": {"width": 0},
            "layer": "below",
        }
        for place, row in enumerate(ordered)
        if row.get("null")
    ]
    layout = _bars_layout("how far the score moves with the choice", rangemode="tozero")
    return {"data": [bars], "layout": {**layout, "shapes": bands}}


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """`answer: demos`; without the predictor where all are of one, so that the rest has room."""
    parted = [str(row["name"]).rpartition(": ") for row in rows]
    alone = len({owner for owner, _, _ in parted}) == 1
    return [kind if alone else f"{owner}{colon}{kind}" for owner, colon, kind in parted]


def _mark(row: Mapping[str, Any]) -> str:
    """What a click on a bar tells; "" for rows of an older studio, which name no owner."""
    return json.dumps([row["predictor"], row["kind"]]) if "predictor" in row and "kind" in row else ""


def shares_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Parameters' shares of 1, as horizontal bars without a band: what gave them has none.

    Args:
        rows: {parameter, share}, the largest first.
    """
    ordered = list(reversed(rows))
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [f"{label(row['parameter'], 30)}   <b>{share(row['share'])}</b>" for row in ordered],
        "x": [row["share"] for row in ordered],
        "marker": {"color": "@c1"},
        "hoverinfo": "y",
        "showlegend": False,
    }
    return {"data": [bars], "layout": _bars_layout("share of the whole", range=[0, 1])}


def _bars_layout(title: str, **x_axis: Any) -> Figure:
    """Of horizontal bars, a named row each."""
    named = {"text": title, "standoff": 6}
    return {
        "margin": {"l": 8, "r": 16, "t": 8, "b": 44},
        "bargap": 0.45,
        "xaxis": {"gridcolor": "@grid/0.6", "zeroline": False, "fixedrange": True, "title": named, **x_axis},
        "yaxis": {"automargin": True, "fixedrange": True, "ticksuffix": "  "},
    }
