"""A benchmark as Markdown and as a plot that opens in any browser."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from mipro_studio.benchmarks.grid.results import Failure
from mipro_studio.benchmarks.grid.tables import LEVEL, REFERENCE, Group, Line, Overall, overall

__all__ = ["figure", "markdown", "write_report"]


def write_report(found: Sequence[Group], folder: Path) -> list[Path]:
    """Write `benchmark.md` and `benchmark.html` into `folder` and return them."""
    folder.mkdir(parents=True, exist_ok=True)
    text, plot = folder / "benchmark.md", folder / "benchmark.html"
    text.write_text(markdown(found), encoding="utf-8")
    figure(found).write_html(plot, include_plotlyjs=True)
    return [text, plot]


def markdown(found: Sequence[Group]) -> str:
    """One table for each group of comparable runs."""
    parts = ["# Optimizers compared", _HOW]
    for tasks, lines in overall(found):
        parts.append(f"## All of {', '.join(tasks)}\n\nThe mean of the tasks' test scores.")
        head = [f"| optimizer | test | difference to {REFERENCE} | p |", "|---|---|---|---|"]
        parts.append("\n".join([*head, *map(_overall_row, lines)]))
    for group in found:
        train, val, test = group.sizes
        models = f"task model `{group.task_model}`, prompt model `{group.prompt_model}`"
        parts.append(
            f"## {group.task}\n\nAt most {train} training, {val} validation and {test} test rows, the same for all; "
            f"cap {group.max_program_runs} program runs; {group.candidates} candidates; {models}. Baseline on test "
            f"{group.baseline:.3f}."
        )
        rows = [
            f"| optimizer | test ({LEVEL:.0%} over seeds) | seeds | n test | p against the best | program runs "
            "| LM calls | calls ratio | search, s | time ratio | ended at the cap |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
        ]
        parts.append("\n".join([*rows, *map(_row, group.lines)]))
        if group.failures:
            parts.append("\n".join(["Ended with an error, so without a result:", "", *map(_failed, group.failures)]))
    return "\n\n".join(parts) + "\n"


_HOW = (
    "Every optimizer got the same rows, models and cap on program runs. Program runs and LM calls are counted by the "
    "studio around the program and around the model, not by the optimizers; the sealed test is not among them. Peers "
    "keep DSPy's habit of a response cache: what it answers is no LM call. p is a two-sided Wilcoxon signed-rank "
    f"test on each example's mean over seeds, not corrected for several comparisons. Ratios are to {REFERENCE}."
)


def _failed(failure: Failure) -> str:
    reason = failure.reason.replace("`", "'")
    return f"- {failure.mark['optimizer']}, seed {failure.mark['seed']}: `{reason}`"


def _overall_row(line: Overall) -> str:
    difference = "" if line.difference is None else f"{line.difference:+.3f}"
    return f"| {line.optimizer} | {line.score:.3f} | {difference} | {'' if line.p is None else f'{line.p:.3f}'} |"


def _row(line: Line) -> str:
    spread = "" if line.low is None else f" [{line.low:.3f}, {line.high:.3f}]"
    cells = (
        line.optimizer,
        f"{line.score:.3f}{spread}",
        line.seeds,
        line.n_test,
        "best" if line.p_best is None else f"{line.p_best:.3f}",
        f"{line.program_runs:.0f}",
        f"{line.lm_calls:.0f}",
        "" if line.calls_ratio is None else f"{line.calls_ratio:.2f}",
        "" if line.search_s is None else f"{line.search_s:.0f}",
        "" if line.time_ratio is None else f"{line.time_ratio:.2f}",
        line.capped or "",
    )
    return f"| {' | '.join(map(str, cells))} |"


def figure(found: Sequence[Group]) -> go.Figure:
    """Validation score of the best so far against program runs: a line a run, a panel a group."""
    made = make_subplots(
        rows=max(1, len(found)), cols=1, subplot_titles=[group.task for group in found], vertical_spacing=0.08
    )
    colours = dict(zip(sorted({line.optimizer for group in found for line in group.lines}), _COLOURS, strict=False))
    legend: set[str] = set()
    for row, group in enumerate(found, start=1):
        for run in sorted(group.runs, key=lambda run: run.mark["optimizer"]):
            name = run.mark["optimizer"]
            if not run.curve:
                continue
            last = max(run.program_runs, run.curve[-1][0])
            xs = [x for x, _ in run.curve] + [last]
            ys = [y for _, y in run.curve] + [run.curve[-1][1]]
            line = go.Scatter(
                x=xs,
                y=ys,
                name=name,
                legendgroup=name,
                showlegend=name not in legend,
                mode="lines",
                line={"shape": "hv", "color": colours.get(name, "#7a7a7a"), "width": 1.6},
                hovertemplate=f"{name}, seed {run.mark['seed']}<br>%{{x}} runs: %{{y:.3f}}<extra></extra>",
            )
            legend.add(name)
            made.add_trace(line, row=row, col=1)
        made.update_xaxes(title_text="program runs", row=row, col=1)
        made.update_yaxes(title_text="best so far, validation", row=row, col=1)
    made.update_layout(height=360 * max(1, len(found)), template="plotly_white")
    return made


# Okabe and Ito's colours, which the colour-blind can tell apart, and four more.
_COLOURS = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#000000"),
    *("#7F3C8D", "#80BA5A", "#A5AA99", "#E73F74"),
)
