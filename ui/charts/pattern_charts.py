"""Figures about a run's arms and trials as plain dicts, drawn by `ui.charts.live_chart`. No Streamlit."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mipro_studio.optimizer_core.parameters.registry import parameter_name
from mipro_studio.optimizer_core.roles import ROLE_TITLES
from mipro_studio.optimizer_core.types import PROGRAM, WHOLE, Candidate, Role, Trial, TrialKind, Usage
from mipro_studio.ui.charts.figures import label
from mipro_studio.ui.text.format import count, plural, score

__all__ = ["beliefs_figure", "parallel_figure", "scatter_figure", "spending_figure", "trials_by_arm"]

Figure = dict[str, Any]
Belief = Mapping[str, Any]
Slot = tuple[str, str]
Note = tuple[float, Mapping[str, Sequence[Any]]]
MOST_TRIALS = 2000
_AXIS = {"gridcolor": "@grid/0.6", "zeroline": False, "linecolor": "@grid", "ticks": "outside", "tickcolor": "@grid"}
_BEST = {"symbol": "diamond", "size": 9, "color": "@c0"}


def _place(owner: str, slots: Sequence[Slot]) -> int:
    owners = list(dict.fromkeys(each for each, _ in slots if each != PROGRAM))
    return WHOLE if owner == PROGRAM else owners.index(owner)


def trials_by_arm(trials: Sequence[Trial], slots: Sequence[Slot]) -> dict[tuple[str, str, int], int]:
    """Suggestions that chose each arm: (owner, kind, arm) -> trials. Repeated full evaluations are none.

    Args:
        slots: (owner, kind) of every parameter, predictors in program order.
    """
    found: dict[tuple[str, str, int], int] = {}
    counted: set[int] = set()
    for trial in trials:
        if trial.kind is TrialKind.BASELINE or trial.number in counted:
            continue
        counted.add(trial.number)
        candidate = Candidate.parse(trial.candidate)
        for owner, kind in slots:
            key = (owner, kind, candidate.arm(_place(owner, slots), kind))
            found[key] = found.get(key, 0) + 1
    return found


def beliefs_figure(arms: Sequence[Belief], tried: Mapping[tuple[str, str, int], int]) -> Figure:
    """Mean and interval of each arm of one parameter, in the arms' order from top to bottom."""
    names = [_arm_name(arm, tried) for arm in arms]
    known = [i for i, arm in enumerate(arms) if arm["mean"] is not None]
    means = [arms[i]["mean"] for i in known]
    best = max(means, default=None)
    colours = ["@gold" if mean == best and len(means) > 1 else "@c0" for mean in means]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "y": [names[i] for i in known],
                "x": means,
                "customdata": [json.dumps([arms[i][name] for name in ("predictor", "kind", "arm")]) for i in known],
                "error_x": {
                    "type": "data",
                    "symmetric": False,
                    "array": [_reach(arms[i], "high") for i in known],
                    "arrayminus": [_reach(arms[i], "low") for i in known],
                    "color": "@muted",
                    "thickness": 1.5,
                    "width": 3,
                },
                "marker": {"size": 10, "color": colours, "line": {"width": 1, "color": "@text"}},
                "hovertext": [_belief_words(arms[i]) for i in known],
                "hovertemplate": "%{hovertext}<extra></extra>",
                "showlegend": False,
            }
        ],
        "layout": {
            "margin": {"l": 8, "r": 16, "t": 8, "b": 44},
            "xaxis": {**_AXIS, "title": {"text": "believed score", "standoff": 6}},
            "yaxis": {
                "automargin": True, "fixedrange": True, "ticksuffix": "  ", "type": "category",
                "categoryorder": "array", "categoryarray": names, "range": [len(names) - 0.5, -0.5],
            },
        },
    }  # fmt: skip


def _arm_name(arm: Belief, tried: Mapping[tuple[str, str, int], int]) -> str:
    n = tried.get((arm["predictor"], arm["kind"], arm["arm"]), 0)
    return f"no. {arm['arm']}   {plural(n, 'trial')}"


def _reach(arm: Belief, side: str) -> float:
    return 0.0 if arm[side] is None else abs(arm[side] - arm["mean"])


def _belief_words(arm: Belief) -> str:
    around = "" if arm["low"] is None else f", {score(arm['low'])} to {score(arm['high'])}"
    return f"<b>{score(arm['mean'])}</b>{around}<br>{plural(arm['n_candidates'], 'candidate')}, n = {arm['n_cells']}"


def parallel_figure(trials: Sequence[Trial], slots: Sequence[Slot]) -> Figure:
    """One line a finished trial through its arms to its score; the latest `MOST_TRIALS`."""
    done = [t for t in trials if t.done and t.value is not None and t.kind is not TrialKind.BASELINE][-MOST_TRIALS:]
    chosen = [Candidate.parse(trial.candidate) for trial in done]
    means = [trial.value for trial in done]
    axes = []
    for owner, kind in slots:
        place = _place(owner, slots)
        values = [candidate.arm(place, kind) for candidate in chosen]
        ticks = sorted(set(values))
        if len(ticks) > 1:
            shown = ticks if len(ticks) <= 16 else ticks[:: len(ticks) // 12]
            axes.append(
                {
                    "label": label(parameter_name(owner, kind), 26),
                    "values": values,
                    "tickvals": shown,
                    "ticktext": [str(tick) for tick in shown],
                }
            )
    line = {
        "color": means, "colorscale": [[0, "@muted"], [0.6, "@c0"], [1, "@gold"]], "showscale": True,
        "colorbar": {"thickness": 10, "outlinewidth": 0, "title": {"text": "score"}},
    }  # fmt: skip
    lines = {
        "type": "parcoords",
        "dimensions": [*axes, {"label": "score", "values": means}],
        "line": line,
        "labelfont": {"size": 12},
        "tickfont": {"size": 11},
    }
    return {"data": [lines], "layout": {"margin": {"l": 56, "r": 24, "t": 56, "b": 24}}}


def scatter_figure(trials: Sequence[Trial], name: Callable[[str], str] = str) -> Figure:
    """What a candidate's first minibatch said against its full evaluation; on the line they agree.

    Args:
        name: Of a candidate, by its id.
    """
    first: dict[str, Trial] = {}
    full: dict[str, Trial] = {}
    for trial in trials:
        if trial.done and trial.value is not None:
            if trial.kind is TrialKind.MINIBATCH:
                first.setdefault(trial.candidate, trial)
            elif trial.kind is TrialKind.FULL:
                full[trial.candidate] = trial
    both = [(first[name], full[name]) for name in full if name in first]
    xs, ys = [a.value for a, _ in both], [b.value for _, b in both]
    scores = [value for value in (*xs, *ys) if value is not None]
    low, high = (min(scores), max(scores)) if scores else (0.0, 1.0)
    pad = 0.08 * ((high - low) or 1.0)
    ends = [low - pad, high + pad]
    words = [
        f"{label(name(a.candidate), 90)}<br>minibatch <b>{score(a.value)}</b>, n = {a.n_ok}"
        f"<br>full <b>{score(b.value)}</b>, n = {b.n_ok}"
        for a, b in both
    ]
    same = {
        "type": "scatter", "mode": "lines", "x": ends, "y": ends, "hoverinfo": "skip", "showlegend": False,
        "line": {"color": "@muted", "dash": "dash", "width": 1.5},
    }  # fmt: skip
    marks = {
        "type": "scatter", "mode": "markers", "x": xs, "y": ys, "marker": _BEST, "showlegend": False,
        "hovertext": words, "hovertemplate": "%{hovertext}<extra></extra>",
        "customdata": [a.candidate for a, _ in both],
    }  # fmt: skip
    layout = {
        "margin": {"l": 56, "r": 16, "t": 12, "b": 48},
        "xaxis": {**_AXIS, "title": {"text": "mean of the first minibatch", "standoff": 8}},
        "yaxis": {**_AXIS, "title": {"text": "full evaluation", "standoff": 8}},
    }
    return {"data": [same, marks], "layout": layout, "n": len(both)}


def spending_figure(
    history: Sequence[tuple[float, Mapping[str, Sequence[Any]]]], now_s: float, spending: Mapping[Role, Usage]
) -> Figure:
    """LM calls by role over minutes: steps between the worker's notes, up to the present totals.

    Args:
        history: (seconds since the start, role -> [calls, input tokens, output tokens, dollars]), oldest first.
    """
    data = []
    for place, (role, name) in enumerate(ROLE_TITLES.items()):
        xs = [at / 60 for at, spent in history if role in spent]
        ys = [spent[role][0] for _, spent in history if role in spent]
        if role in spending:
            xs.append(now_s / 60)
            ys.append(spending[Role(role)].calls)
        data.append(
            {
                "type": "scatter", "mode": "lines", "name": name,
                "x": [0.0, *xs] if xs else [], "y": [0, *ys] if xs else [],
                "line": {"color": f"@c{place}", "width": 2, "shape": "linear"},
                "hovertemplate": "%{y:,} calls after %{x:.1f} min<extra></extra>",
            }
        )  # fmt: skip
    layout = {
        "margin": {"l": 64, "r": 16, "t": 34, "b": 48},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"},
        "xaxis": {**_AXIS, "title": {"text": "minutes since the start", "standoff": 8}, "rangemode": "tozero"},
        "yaxis": {**_AXIS, "title": {"text": "LM calls", "standoff": 8}, "rangemode": "tozero"},
        "annotations": [],
    }
    total = sum(usage.calls for usage in spending.values())
    return {"data": data, "layout": layout, "alt": f"LM calls by role over time, {count(total)} in all."}
