"""What was measured on this machine, as tables and a chart. The numbers come from `benchmarks.grid.tables`."""

from pathlib import Path
from typing import Any

import streamlit as st

from mipro_studio.sample_programs.catalog import CATALOG
from mipro_studio.ui.benchmarks.paper_table import COLUMNS, NOTE, PAPER_ROWS
from mipro_studio.ui.charts.live_chart import live_chart
from mipro_studio.ui.page.frame import LIVE
from mipro_studio.ui.text.format import UNKNOWN, clean, score

__all__ = ["curves_figure", "how_to", "measured", "paper", "read_groups"]


_COLOURS = 7
"""Categorical colours of the theme."""


@st.cache_data(show_spinner="Reading what was measured…", max_entries=4)  # type: ignore[untyped-decorator]
def read_groups(store: Path, version: tuple[Any, ...]) -> list[Any]:
    """Groups of comparable runs; read again when `version` of the finished runs changes."""
    from mipro_studio.benchmarks.grid.results import (  # scipy, wanted only when there is something to show
        read_failures,
        read_results,
    )
    from mipro_studio.benchmarks.grid.tables import groups

    return groups(read_results(store), read_failures(store))


def how_to() -> None:
    """How a benchmark is run, for an empty page and for the curious."""
    st.text(
        "A benchmark runs optimizers, the studio's and DSPy's own, on the same rows with the same models and the "
        "same cap on program runs, and counts what each spends at the model. It works through what is missing, so it "
        "may be stopped or killed and started again."
    )
    st.code(
        "python -m benchmarks run --tasks triage,iris \\\n"
        "    --optimizers mipro,bootstrap_rs,dspy.MIPROv2 \\\n"
        "    --seeds 0,1,2,3,4 --max-program-runs 1000",
        language=None,
        wrap_lines=True,
    )
    st.caption("docs/benchmarks.md says what is counted and how, and how to use an endpoint.")


def measured(found: list[Any]) -> None:
    """One section a group: settings, table, curve, and its runs to open."""
    names = {group.key: _title(group) for group in found}
    chosen = st.selectbox("Measured", list(names), format_func=names.__getitem__, key="bench_group")
    group = next((group for group in found if group.key == chosen), found[0])
    train, val, test = group.sizes
    st.caption(
        f"At most {train} training, {val} validation and {test} test rows, the same for all. Cap "
        f"{group.max_program_runs:,} program runs. Task model {group.task_model}, prompt model {group.prompt_model}. "
        f"Baseline on test {group.baseline:.3f}."
    )
    _table(group)
    st.caption(
        "Test: mean over seeds with its 95 % interval. p: Wilcoxon signed-rank test against the best, on each test "
        "example's mean over seeds, not corrected for several comparisons. Ratios are to dspy.MIPROv2. Program runs "
        "and LM calls are counted by the studio, the sealed test not among them."
    )
    for failure in group.failures:
        st.text(f"No result: {failure.mark['optimizer']}, seed {failure.mark['seed']}. {clean(failure.reason)}")
    st.markdown("**Best so far on validation, by program runs**")
    _curves(group)
    _runs(group)


def _title(group: Any) -> str:
    sample = CATALOG.get(group.task)
    return f"{sample.title if sample else group.task} · {group.max_program_runs:,} program runs · {group.task_model}"


def _table(group: Any) -> None:
    rows = [
        {
            "Optimizer": line.optimizer,
            "Test": score(line.score),
            "95 % interval": UNKNOWN if line.low is None else f"{score(line.low)} to {score(line.high)}",
            "Seeds": line.seeds,
            "Test rows": line.n_test,
            "p": _p(line.p_best),
            "Program runs": line.program_runs,
            "LM calls": line.lm_calls,
            "Calls, ratio": _number(line.calls_ratio, 2),
            "Search, s": _number(line.search_s, 0),
            "Time, ratio": _number(line.time_ratio, 2),
            "At the cap": line.capped,
        }
        for line in group.lines
    ]
    whole = st.column_config.NumberColumn(format="%.0f")
    st.dataframe(
        rows,
        hide_index=True,
        key="bench_table",
        alt="Optimizers, the best first",
        column_config={
            "Optimizer": st.column_config.TextColumn(width=270),
            "Program runs": whole,
            "LM calls": whole,
            "At the cap": st.column_config.NumberColumn(help="Seeds that the cap ended"),
        },
    )


def _number(value: float | None, digits: int) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def _p(value: float | None) -> str:
    if value is None:
        return "best"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _curves(group: Any) -> None:
    live_chart(
        curves_figure(group),
        key="bench_curves",
        height=340,
        alt=f"Best validation score so far against program runs, a line for each of {len(group.runs)} runs",
        revision=str(group.key),
    )


def curves_figure(group: Any) -> dict[str, Any]:
    """A stepped line a run, the runs of one optimizer in one colour and one entry of the legend."""
    names = sorted({run.mark["optimizer"] for run in group.runs})
    shown: set[str] = set()
    traces = []
    for run in sorted(group.runs, key=lambda run: (run.mark["optimizer"], run.mark["seed"])):
        name = run.mark["optimizer"]
        if not run.curve:  # it never evaluated a program in full
            continue
        ends = [*run.curve, (max(run.program_runs, run.curve[-1][0]), run.curve[-1][1])]
        number = names.index(name)
        dash = "solid" if number < _COLOURS else "dash"
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": name,
                "legendgroup": name,
                "showlegend": name not in shown,
                "x": [x for x, _ in ends],
                "y": [y for _, y in ends],
                "line": {"shape": "hv", "width": 1.8, "color": f"@c{number % _COLOURS}", "dash": dash},
                "hovertemplate": f"{name}, seed {run.mark['seed']}<br>%{{x}} runs: %{{y:.3f}}<extra></extra>",
            }
        )
        shown.add(name)
    axis = {"gridcolor": "@grid/0.6", "zeroline": False, "linecolor": "@grid"}
    layout = {
        "margin": {"l": 56, "r": 16, "t": 40, "b": 48},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": {**axis, "title": {"text": "program runs"}, "rangemode": "tozero", "showgrid": False},
        "yaxis": {**axis, "title": {"text": "validation score"}},
    }
    return {"data": traces, "layout": layout}


def _runs(group: Any) -> None:
    runs = sorted(group.runs, key=lambda run: (run.mark["optimizer"], run.mark["seed"]))
    st.markdown("**Runs**")
    event = st.dataframe(
        [
            {
                "Optimizer": run.mark["optimizer"],
                "Seed": run.mark["seed"],
                "Baseline": score(run.baseline),
                "Winner": score(run.score),
                "Program runs": run.program_runs,
                "LM calls": run.lm_calls,
                "Ended": run.reason,
            }
            for run in runs
        ],
        hide_index=True,
        key="bench_runs",
        on_select="rerun",
        selection_mode="single-cell",
        alt="Runs of this benchmark",
        column_config={"Optimizer": st.column_config.TextColumn(width=270)},
    )
    st.caption("Click a row to open the run. Scores are on the sealed test.")
    cells = event.selection.get("cells") or []
    if cells:
        st.switch_page(LIVE.path, query_params={"run": runs[cells[0][0]].run_id})


def paper() -> None:
    """The paper's own table, apart from anything measured here."""
    st.header("What the MIPRO paper reports", anchor=False)
    st.caption(f"Table 2, test scores in percent, mean of 5 runs. {NOTE}")
    rows = [
        {
            "Optimized": what,
            "Optimizer": name,
            **{column: _number(value, 1) for column, value in zip(COLUMNS, values, strict=True)},
        }
        for what, name, values in PAPER_ROWS
    ]
    st.dataframe(rows, hide_index=True, key="bench_paper", alt="Table 2 of the MIPRO paper")
