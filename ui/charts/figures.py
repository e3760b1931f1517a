"""Figures as plain dicts, drawn by `ui.charts.live_chart`; colours by name. Pure functions, no Streamlit."""

import html
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

from mipro_studio.optimizer_core.types import Trial, TrialKind
from mipro_studio.ui.result.leaders import Belief, baseline_of, leader_path, leading
from mipro_studio.ui.text.format import count, one_line, plural, score, words

__all__ = ["XAxis", "best_mark", "score_range", "sized", "trials_alt", "trials_figure"]

XAxis = Literal["program_runs", "number"]
Figure = dict[str, Any]
Name = Callable[[str], str]


def label(text: object, limit: int = 44) -> str:
    """Foreign text in a figure: Plotly reads a few HTML tags."""
    return _escaped(words(text), limit)


# Names of a thousand candidates are written into a chart at every refresh.
@lru_cache(maxsize=4096)
def _escaped(text: str, limit: int) -> str:
    return html.escape(one_line(text, limit), quote=False)


# Of a trial that has ended it stays the same, whatever comes in beside it.
@lru_cache(maxsize=8192)
def _hover(trial: Trial, called: str) -> str:
    kind = "full evaluation" if trial.kind is TrialKind.FULL else "minibatch"
    errors = f", {plural(trial.n_error, 'error')}" if trial.n_error else ""
    both = "" if trial.objective is None else f" (score {score(trial.mean)})"
    return (
        f"<b>{score(trial.value)}</b>{both}  n = {trial.n_ok}{errors}<br>trial {trial.number}, {kind}<br>"
        f"{label(called, 90)}<br>after {count(trial.program_runs)} program runs<br>click for all of it"
    )


def _marks(title: str, trials: Sequence[Trial], x: XAxis, name: Name, marker: Mapping[str, Any]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": title,
        "x": [getattr(trial, x) for trial in trials],
        "y": [trial.value for trial in trials],
        "customdata": [trial.candidate for trial in trials],
        "hovertext": [_hover(trial, name(trial.candidate)) for trial in trials],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "marker": {**marker, "opacity": 1},
    }


def sized(trials: Sequence[Trial], n_val: int) -> list[float]:
    """Diameters in pixels: the area grows with the rows that stand behind a score, so 1.00 on 6 rows looks small."""
    most = n_val or max((trial.n_ok for trial in trials), default=0) or 1
    return [_diameter(trial.n_ok, most) for trial in trials]


@lru_cache(maxsize=4096)
def _diameter(n: int, most: int) -> float:
    return round(5 + 11 * math.sqrt(min(1.0, n / most)), 1)


def _belief_traces(path: Sequence[Belief], x: XAxis, end: int) -> list[Figure]:
    """Who leads, with what score, as a line in a band of 90 %: the band shows how little few rows say.

    Only where something changes: steps between equal points look the same without them.
    """
    ends = zip(path, [None, *path], strict=False)
    path = [one for one, before in ends if before is None or _drawn(one) != _drawn(before)]
    xs = [one.program_runs if x == "program_runs" else one.number for one in path]
    known = [one.low is not None and one.high is not None for one in path]
    points = [*zip(xs, path, strict=True)]
    if points and end > xs[-1]:
        points.append((end, path[-1]))
    line = {"type": "scatter", "mode": "lines", "hoverinfo": "skip"}
    banded = bool(known) and all(known)
    drawn = {"shape": "hv", "width": 0, "color": "@c0"}
    edge = {**line, "x": [at for at, _ in points] if banded else [], "line": drawn}
    return [
        {**edge, "name": "Upper", "y": [one.high for _, one in points] if banded else [], "showlegend": False},
        {
            **edge,
            "name": "90 % interval",
            "y": [one.low for _, one in points] if banded else [],
            "fill": "tonexty",
            "fillcolor": "@c0/0.13",
        },
        {
            **line,
            "name": "Leader",
            "x": [at for at, _ in points],
            "y": [one.mean for _, one in points],
            "line": {"shape": "hv", "color": "@c0", "width": 2},
        },
    ]


def _drawn(belief: Belief) -> tuple[float, float | None, float | None]:
    return belief.mean, belief.low, belief.high


def trials_figure(
    trials: Sequence[Trial],
    x: XAxis = "program_runs",
    metric: str = "score",
    *,
    name: Name = str,
    n_val: int = 0,
    gold: Trial | None = None,
) -> Figure:
    """The search as it went: every trial a dot as large as its rows are many, the leader a line in its interval.

    Args:
        name: Of a candidate, by its id.
        n_val: Rows of the validation set; 0 where not known.
        gold: The mark of the winner or leader, see `best_mark`.
    """
    baseline = baseline_of(trials)
    small = [t for t in trials if t.kind is TrialKind.MINIBATCH and t.done and t.value is not None]
    full = [t for t in trials if t.kind is TrialKind.FULL and t.done and t.value is not None]
    end = max((getattr(t, x) for t in trials), default=0)
    edge = {"width": 1.5, "color": "@c0/0.75"}
    data = [
        *_belief_traces(leader_path(trials, n_val, gold), x, end),
        _marks("Minibatch", small, x, name,
               {"symbol": "circle", "size": sized(small, n_val), "color": "@c0/0.18", "line": edge}),
        _marks("Full evaluation", full, x, name,
               {"symbol": "diamond", "size": sized(full, n_val), "color": "@c0"}),
        _marks("Best", [] if gold is None else [gold], x, name,
               {"symbol": "diamond", "size": 18, "color": "@gold", "line": {"width": 1.5, "color": "@text"}}),
        _ghosts([t for t in trials if not t.done], x, name),
    ]  # fmt: skip
    layout = _trials_layout(x, metric, baseline)
    reach = score_range(trials)
    if reach:
        layout["yaxis"]["range"] = reach
    else:
        _say_empty(layout)
    return {"data": data, "layout": layout}


def best_mark(
    trials: Sequence[Trial], n_val: int, best: str | None, known: Mapping[str, Any] | None = None
) -> Trial | None:
    """The last scored trial of the candidate `best`, at the mean over all its rows: where the leader's line ends.

    Args:
        known: Core's estimate over its rows, each counted once; without it its trials are added up.
    """
    scored = [trial for trial in trials if trial.done and trial.value is not None and trial.candidate == best]
    scored = [trial for trial in scored if trial.kind is not TrialKind.BASELINE]
    if not scored:
        return None
    if known and known.get("mean") is not None and scored[-1].objective is None:
        return replace(scored[-1], mean=known["mean"], n_ok=int(known["n"]))
    lead = leading(trials, n_val)
    if lead is None or lead.candidate != best:
        return scored[-1]
    return replace(scored[-1], mean=lead.mean, objective=lead.objective, n_ok=lead.n_ok)


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


def _ghosts(flying: Sequence[Trial], x: XAxis, name: Name) -> Figure:
    # A trial in flight has no score yet, so its mark sits on the floor of the chart, on an axis of its own.
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "In flight",
        "yaxis": "y2",
        "x": [getattr(trial, x) for trial in flying],
        "y": [0.025] * len(flying),
        "customdata": [trial.candidate for trial in flying],
        "hovertext": [f"trial {trial.number}, in flight<br>{label(name(trial.candidate), 90)}" for trial in flying],
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


def trials_alt(trials: Sequence[Trial], gold: Trial | None = None) -> str:
    """What the trial chart says, in one sentence. `gold`: see `best_mark`."""
    small = sum(t.kind is TrialKind.MINIBATCH and t.done for t in trials)
    full = sum(t.kind is TrialKind.FULL and t.done for t in trials)
    baseline = baseline_of(trials)
    words = f"Scores of {plural(small, 'minibatch', 'minibatches')} and {plural(full, 'full evaluation')}."
    if baseline is not None and baseline.value is not None:
        words += f" The baseline is at {score(baseline.value)}."
    if gold is not None:
        words += f" The best candidate is at {score(gold.value)}, on {plural(gold.n_ok, 'row')}."
    return words
