"""The Pareto front of evaluated candidates as a chart: quality over what a program run takes."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from mipro_studio.optimizer_core.analysis.front import FrontPoint
from mipro_studio.ui.charts.figures import label
from mipro_studio.ui.text.format import score

__all__ = ["front_alt", "front_figure"]


def front_figure(
    points: Sequence[FrontPoint],
    on_front: Collection[str],
    quantity: str,
    title: str,
    name: Callable[[str], str] = str,
) -> dict[str, Any]:
    """All points, those on the front joined by steps: below and right of the steps something else is better.

    Args:
        points: Each with a known `quantity`.
        on_front: Candidates on the front.
        title: Of the horizontal axis.
        name: Of a candidate, by its id.
    """
    best = sorted((one for one in points if one.candidate in on_front), key=lambda one: one.takes[quantity] or 0.0)
    others = [one for one in points if one.candidate not in on_front]
    return {
        "data": [
            _marks("Others", others, quantity, name, {"symbol": "circle-open", "size": 9, "color": "@c0/0.7"}),
            {
                **_marks(
                    "Best for what they take", best, quantity, name, {"symbol": "diamond", "size": 12, "color": "@c0"}
                ),
                "mode": "lines+markers",
                "line": {"shape": "hv", "color": "@c0/0.5", "width": 1.5},
            },
        ],
        "layout": {
            "margin": {"l": 56, "r": 16, "t": 34, "b": 48},
            "hovermode": "closest",
            "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"},
            "xaxis": {"gridcolor": "@grid/0.6", "zeroline": False, "title": {"text": label(title), "standoff": 8}},
            "yaxis": {"gridcolor": "@grid/0.6", "zeroline": False, "title": {"text": "score", "standoff": 8}},
        },
    }


def _marks(
    title: str, points: Sequence[FrontPoint], quantity: str, name: Callable[[str], str], marker: dict[str, Any]
) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": title,
        "x": [one.takes[quantity] for one in points],
        "y": [one.score for one in points],
        "customdata": [one.candidate for one in points],
        "hovertext": [
            f"{label(name(one.candidate), 90)}<br><b>{score(one.score)}</b>  n = {one.n}" for one in points
        ],
        "hovertemplate": "%{hovertext}<br>%{x:.4g}<extra></extra>",
        "marker": marker,
    }


def front_alt(points: Sequence[FrontPoint], on_front: Collection[str], title: str) -> str:
    """What the chart says, in one sentence."""
    return f"Score over {title} of {len(points)} fully evaluated candidates; {len(on_front)} are on the front."
