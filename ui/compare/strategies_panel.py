"""A run's strategies beside each other: the sealed test, what each of them took, and the paper's table apart."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.analysis.front import front_points
from mipro_studio.optimizer_core.evaluation.objective import objective_of
from mipro_studio.optimizer_core.objective_spec import SCORE
from mipro_studio.optimizer_core.types import Json, Outcome, Split, Tuning
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.candidate_names import Names
from mipro_studio.ui.charts.live_chart import live_chart
from mipro_studio.ui.compare.strategies_paper import COLUMNS, NOTE, PAPER_ROWS
from mipro_studio.ui.text.format import UNKNOWN, count, delta, delta_range, duration, interval, one_line, score, usd

__all__ = ["strategies_panel", "strategy_rows", "trained_for"]

_ROW_HEIGHT, _FRAME_HEIGHT = 34, 90


def strategies_panel(reader: Reader, run_id: str, outcome: Outcome | None, names: Names) -> None:
    """Nothing for a run whose steps are not on the sealed test."""
    steps = [step for step in (outcome.steps if outcome else ()) if step.get("test")]
    if len(steps) < 2:
        return
    st.header("Strategies", anchor=False)
    live_chart(
        _figure(steps),
        key="strategies_chart",
        height=_FRAME_HEIGHT + _ROW_HEIGHT * len(steps),
        alt="; ".join(f"{step['strategy']}: {score(step['test']['mean'])}" for step in steps),
        revision=run_id,
    )
    tokens = {
        point.candidate: point.takes["prompt_tokens"]
        for point in front_points(reader.cells_of_full(run_id, Split.VAL), objective_of(SCORE))
    }
    rows = strategy_rows(steps, reader.tunings(run_id), tokens, names)
    st.dataframe(rows, hide_index=True, key="strategies_rows", alt="What every strategy came to, and what it took")
    st.caption(
        "The sealed test, with intervals at 90 %; the difference is paired with the program as it came, row by row. "
        "Rows and time of training are those of all the strategy's tunings; prompts are counted on validation."
    )
    with st.expander("Beside the paper's Table 1"):
        st.text(NOTE)
        st.table(_paper_rows(), border="horizontal", hide_index=True, alt="BetterTogether's Table 1")


def strategy_rows(
    steps: Sequence[Json], tunings: Sequence[Tuning], prompt_tokens: Mapping[str, float | None], names: Names
) -> list[dict[str, str]]:
    """One row a strategy: quality, then what training and answering take."""
    rows = []
    for step in steps:
        trained = trained_for(step["strategy"], tunings)
        paid = sum(float(one.facts.get("paid_usd") or 0.0) for one in trained)
        waited = sum(float(one.facts.get("waited_s") or 0.0) for one in trained)
        rows.append(
            {
                "strategy": one_line(step["strategy"]),
                "sealed test": f"{score(step['test']['mean'])} ({interval(step['test'])})",
                **_against(step, steps[0]),
                "validation": score((step.get("val") or {}).get("mean")),
                "rows trained on": count(sum(len(one.rows) for one in trained)),
                "training": duration(waited) if trained else UNKNOWN,
                "training cost": usd(paid) if paid else UNKNOWN,
                "prompt tokens": count(prompt_tokens.get(step["candidate"])),
                "ended with": one_line(names.of(step["candidate"]), 200),
            }
        )
    return rows


def _against(step: Json, first: Json) -> dict[str, str]:
    """The difference with the program as it came, which has none with itself."""
    pair = step.get("paired_test") if step is not first else None
    if not pair:
        return {"difference": UNKNOWN, "won, lost, tied": UNKNOWN}
    spread = delta_range(pair["low"], pair["high"])
    return {
        "difference": f"{delta(pair['difference'])} ({spread})",
        "won, lost, tied": ", ".join(str(pair[name]) for name in ("won", "lost", "tied")),
    }


def trained_for(strategy: str, tunings: Sequence[Tuning]) -> list[Tuning]:
    """The tunings that a strategy, as the paper writes it, went through."""
    steps = strategy.split("→")
    ways = {"→".join(steps[:end]) for end in range(1, len(steps) + 1)}
    return [one for one in tunings if one.facts.get("strategy") in ways]


def _figure(steps: Sequence[Json]) -> dict[str, Any]:
    """Means on the sealed test with their intervals, the last strategy at the bottom."""
    ordered = list(reversed(steps))
    means = [step["test"]["mean"] for step in ordered]
    lows = [_or_mean(step["test"], "low") for step in ordered]
    highs = [_or_mean(step["test"], "high") for step in ordered]
    marks = {
        "type": "scatter",
        "mode": "markers",
        "x": means,
        "y": [one_line(step["strategy"]) for step in ordered],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [high - mean for high, mean in zip(highs, means, strict=True)],
            "arrayminus": [mean - low for low, mean in zip(lows, means, strict=True)],
            "color": "@c0/0.6",
            "thickness": 2,
        },
        "marker": {"color": "@c0", "size": 10},
        "hovertext": [f"{score(mean)} ({interval(step['test'])})" for step, mean in zip(ordered, means, strict=True)],
        "hovertemplate": "%{y}: %{hovertext}<extra></extra>",
    }
    layout = {
        "margin": {"l": 90, "r": 16, "t": 8, "b": 44},
        "showlegend": False,
        "xaxis": {"title": {"text": "score on the sealed test", "standoff": 8}, "gridcolor": "@grid/0.6"},
        "yaxis": {"type": "category", "gridcolor": "@grid/0.3"},
    }
    return {"data": [marks], "layout": layout}


def _or_mean(estimate: Mapping[str, Any], name: str) -> float:
    found = estimate.get(name)
    return float(estimate["mean"] if found is None else found)


def _paper_rows() -> list[dict[str, str]]:
    return [
        {"strategy": name, **{column: _percent(value) for column, value in zip(COLUMNS, values, strict=True)}}
        for name, values in PAPER_ROWS
    ]


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.1f}"
