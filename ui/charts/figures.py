"""Figures as plain dicts, drawn by `ui.charts.live_chart`; colours by name. Pure functions, no Streamlit."""

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from mipro_studio.optimizer_core.types import Trial, TrialKind
from mipro_studio.ui.text.format import count, one_line, plural, score, share

__all__ = ["XAxis", "best_full", "importance_figure", "score_range", "shares_figure", "trials_alt", "trials_figure"]

XAxis = Literal["program_runs", "number"]
Figure = dict[str, Any]


def label(text: object, limit: int = 44) -> str:
    """Foreign text in a figure: Plotly reads a few HTML tags."""
    return html.escape(one_line(text, limit), quote=False)


def _hover(trial: Trial) -> str:
    kind = "full evaluation" if trial.kind is TrialKind.FULL else "minibatch"
    errors = f", {plural(trial.n_error, 'error')}" if trial.n_error else ""
    both = "" if trial.objective is None else f" (score {score(trial.mean)})"
    return (
        f"<b>{score(trial.value)}</b>{both}  n = {trial.n_ok}{errors}<br>trial {trial.number}, {kind}<br>"
        f"{label(trial.candidate)}<br>after {count(trial.program_runs)} program runs"
    )


def _marks(name: str, trials: Sequence[Trial], x: XAxis, marker: Mapping[str, Any]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [getattr(trial, x) for trial in trials],
        "y": [trial.value for trial in trials],
        "customdata": [trial.candidate for trial in trials],
        "hovertext": [_hover(trial) for trial in trials],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": dict(marker),
    }


def _best_line(fulls: Sequence[Trial], x: XAxis, end: int) -> Figure:
    xs: list[int] = []
    ys: list[float] = []
    for trial in fulls:
        if trial.value is None:
            continue
        xs.append(getattr(trial, x))
        ys.append(max(ys[-1], trial.value) if ys else trial.value)
    if xs and end > xs[-1]:
        xs.append(end)
        ys.append(ys[-1])
    return {
        "type": "scatter",
        "mode": "lines",
        "name": "Best so far",
        "x": xs,
        "y": ys,
        "hoverinfo": "skip",
        "line": {"shape": "hv", "color": "@c0", "width": 2},
    }


def best_full(trials: Iterable[Trial]) -> Trial | None:
    """The full evaluation with the highest mean, the baseline excluded; the earliest of equals."""
    done = [trial for trial in trials if trial.kind is TrialKind.FULL and trial.value is not None]
    return max(done, key=lambda trial: trial.value or 0.0, default=None)


def trials_figure(trials: Sequence[Trial], x: XAxis = "program_runs", metric: str = "score") -> Figure:
    """The search as it went: minibatches and full evaluations are two series, never one line."""
    baseline = next((t for t in trials if t.kind is TrialKind.BASELINE and t.value is not None), None)
    small = [t for t in trials if t.kind is TrialKind.MINIBATCH and t.done and t.value is not None]
    full = [t for t in trials if t.kind is TrialKind.FULL and t.done and t.value is not None]
    flying = [t for t in trials if not t.done]
    best = best_full(full)
    beaten = best is not None and (baseline is None or (best.value or 0) > (baseline.value or 0))
    winner = [best] if best is not None and beaten else []
    end = max((getattr(t, x) for t in trials), default=0)
    fulls = ([baseline] if baseline else []) + full
    data = [
        _best_line(fulls, x, end),
        _marks(
            "Minibatch",
            small,
            x,
            {"symbol": "circle-open", "size": 8, "color": "@c0/0.75", "line": {"width": 1.5, "color": "@c0/0.75"}},
        ),
        _marks("Full evaluation", full, x, {"symbol": "diamond", "size": 11, "color": "@c0"}),
        _marks(
            "Best",
            winner,
            x,
            {"symbol": "diamond", "size": 17, "color": "@gold", "line": {"width": 1.5, "color": "@text"}},
        ),
        _ghosts(flying, x),
    ]
    layout = _trials_layout(x, metric, baseline)
    reach = score_range(trials)
    if reach:
        layout["yaxis"]["range"] = reach
    else:
        _say_empty(layout)
    return {"data": data, "layout": layout}


def score_range(trials: Sequence[Trial]) -> list[float] | None:
    """The vertical axis that shows all means; None before there is one."""
    scores = [trial.value for trial in trials if trial.value is not None]
    if not scores:
        return None
    low, high = min(scores), max(scores)
    # Room below for the marks of trials in flight, above for the best mark.
    span = (high - low) or max(abs(high), 1.0) * 0.2
    return [low - 0.16 * span, high + 0.09 * span]


def _say_empty(layout: Figure) -> None:
    layout["xaxis"] |= {"range": [0, 100], "showticklabels": False, "ticks": ""}
    layout["yaxis"] |= {"range": [0, 1], "showticklabels": False, "ticks": "", "showgrid": False}
    layout["annotations"] = [
        {
            "xref": "paper",
            "yref": "paper",
            "x": 0.5,
            "y": 0.5,
            "showarrow": False,
            "text": "No score yet: demos and instructions come first, then the baseline.",
            "font": {"color": "@muted", "size": 14},
        }
    ]


def _ghosts(flying: Sequence[Trial], x: XAxis) -> Figure:
    # A trial in flight has no score yet, so its mark sits on the floor of the chart, on an axis of its own.
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "In flight",
        "yaxis": "y2",
        "x": [getattr(trial, x) for trial in flying],
        "y": [0.025] * len(flying),
        "hovertext": [f"trial {trial.number}, in flight<br>{label(trial.candidate)}" for trial in flying],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {"symbol": "circle-open-dot", "size": 10, "color": "@muted", "opacity": 0.8},
    }


def _trials_layout(x: XAxis, metric: str, baseline: Trial | None) -> Figure:
    axis = {
        "gridcolor": "@grid/0.6",
        "zeroline": False,
        "linecolor": "@grid",
        "ticks": "outside",
        "tickcolor": "@grid",
    }
    x_title = "program runs (new cells asked for)" if x == "program_runs" else "trial"
    layout: Figure = {
        "margin": {"l": 56, "r": 16, "t": 34, "b": 48},
        "hovermode": "closest",
        "dragmode": "zoom",
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"},
        "xaxis": {**axis, "title": {"text": x_title, "standoff": 8}, "rangemode": "tozero", "showgrid": False},
        "yaxis": {**axis, "title": {"text": label(metric, 32), "standoff": 8}, "ticklabelstandoff": 2},
        "yaxis2": {"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True},
        "shapes": [],
        "annotations": [],
    }
    if baseline is not None:
        y = baseline.value
        line = {"color": "@muted", "width": 1.5, "dash": "dash"}
        layout["shapes"] = [
            {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": line, "layer": "below"}
        ]
        layout["annotations"] = [
            {
                "xref": "paper",
                "x": 1,
                "xanchor": "right",
                "y": y,
                "yanchor": "bottom",
                "showarrow": False,
                "text": f"baseline {score(y)}, n = {baseline.n_ok}",
                "font": {"color": "@muted", "size": 12},
            }
        ]
    return layout


def trials_alt(trials: Sequence[Trial]) -> str:
    """What the trial chart says, in one sentence."""
    small = sum(t.kind is TrialKind.MINIBATCH and t.done for t in trials)
    full = sum(t.kind is TrialKind.FULL and t.done for t in trials)
    baseline = next((t for t in trials if t.kind is TrialKind.BASELINE), None)
    best = best_full(trials)
    words = f"Scores of {plural(small, 'minibatch', 'minibatches')} and {plural(full, 'full evaluation')}."
    if baseline is not None and baseline.value is not None:
        words += f" The baseline is at {score(baseline.value)}."
    if best is not None:
        words += f" The best full evaluation is {score(best.value)}, of trial {best.number}."
    return words


def importance_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """How far the score moves with each parameter's choice, as horizontal bars over the band of pure noise.

    Args:
        rows: {name, spread, null, real} and, of newer runs, {low, high}, the most certain first; all but the name
            and `real` in units of the score.
    """
    ordered = list(reversed(rows))
    reach = [(row.get("low", row["spread"]), row["spread"], row.get("high", row["spread"])) for row in ordered]
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": [f"{label(row['name'], 30)}   <b>{score(row['spread'])}</b>" for row in ordered],
        "x": [row["spread"] for row in ordered],
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
    layout = _bars_layout("spread of the arms' effects, in score", rangemode="tozero")
    return {"data": [bars], "layout": {**layout, "shapes": bands}}


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
