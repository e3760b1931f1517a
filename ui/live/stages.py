"""The steps of a run that tunes weights: what each ended with, how far a training is, and the rows it learns from."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import EventKind, Json, Status, Trial, Tuning, TuningState
from mipro_studio.storage import AskedChange, LiveView, Reader, RunSummary
from mipro_studio.ui.arms.candidate_names import Names
from mipro_studio.ui.arms.review_forms import show_refusal
from mipro_studio.ui.arms.review_queue import waiting
from mipro_studio.ui.charts.live_chart import live_chart
from mipro_studio.ui.live.rows_gate import asked_words, rows_gate
from mipro_studio.ui.text.format import UNKNOWN, clip, duration, interval, one_line, plural, score

__all__ = ["losses_of", "stage_words", "stages_panel", "step_rows"]

SHOWN_ROWS = 200
_HEIGHT = 220
_AXIS = {"gridcolor": "@grid/0.6", "zeroline": False}


def stages_panel(reader: Reader, view: LiveView, names: Names) -> None:
    """Nothing for a run that tunes no weights."""
    run_id = view.summary.id
    tunings = reader.tunings(run_id)
    told = reader.latest_event(run_id, EventKind.PREFIXES)
    steps = view.outcome.steps if view.outcome and view.outcome.steps else (told.data["prefixes"] if told else ())
    if not tunings and not steps:
        return
    with st.container(border=True):
        st.header("Steps", anchor=False)
        if steps:
            st.table(
                step_rows(steps, view.trials, names), border="horizontal", hide_index=True, alt="What steps came to"
            )
        asked = reader.changes(run_id) if view.summary.status is Status.AWAITING_REVIEW else []
        show_refusal()
        waiting(view.summary, asked)
        for tuning in tunings:
            _tuning(reader, view.summary, tuning, asked)


def step_rows(steps: Sequence[Json], trials: Sequence[Trial], names: Names) -> list[dict[str, str]]:
    """One row a step that is through, with its program's mean on validation and, once it is known, on the test."""
    means = {trial.candidate: trial.mean for trial in trials if trial.done}
    rows = []
    for step in steps:
        test = step.get("test")
        rows.append(
            {
                "step": one_line(step["strategy"]),
                "ended with": one_line(names.of(step["candidate"]), 200),
                "validation": score(means.get(step["candidate"])),
                "sealed test": f"{score(test['mean'])} ({interval(test)})" if test else UNKNOWN,
            }
        )
    return rows


def stage_words(tuning: Tuning) -> str:
    """How far a tuning is, in one line."""
    facts = tuning.facts
    found: Mapping[str, Any] = facts.get("yield") or {}
    rows = f"{plural(len(tuning.rows), 'row')} from {plural(int(found.get('cells') or 0), 'trace')}"
    if found.get("labelled"):
        rows += f" and {plural(int(found['labelled']), 'labelled call')}"
    state = {
        TuningState.ROWS: "written down, nothing is sent",
        TuningState.SENT: "training",
        TuningState.TUNED: f"trained in {duration(facts.get('waited_s'))}",
        TuningState.EMPTY: "nothing to learn from",
        TuningState.FAILED: f"failed: {facts.get('message', '')}",
    }[tuning.state]
    demos = "with" if facts.get("demos") else "without"
    owner = f" of {one_line(facts['predictor'], 80)}" if facts.get("predictor") else ""
    return f"Weights {tuning.number}{owner}: {rows}, prompts {demos} demos; {one_line(state, 300)}."


def losses_of(events: Sequence[Json], tuning: Tuning) -> list[float]:
    """Loss of every training step so far, in nats a token."""
    if "losses" in tuning.facts:
        return [float(loss) for loss in tuning.facts["losses"]]
    losses: list[float] = []
    for data in events:
        if data["number"] == tuning.number:  # a later life tells the losses again
            losses[int(data["from"]) :] = data["losses"]
    return losses


def _tuning(reader: Reader, run: RunSummary, tuning: Tuning, asked: Sequence[AskedChange]) -> None:
    run_id = run.id
    st.text(stage_words(tuning))
    if run.status is Status.AWAITING_REVIEW and tuning.state is TuningState.ROWS and not run.origin:
        rows_gate(run, tuning, asked)
        return
    told = [event.data for _, _, event in reader.events_of(run_id, EventKind.LOSSES, 10_000)]
    losses = losses_of(told, tuning)
    steps = int(tuning.facts.get("steps") or (told[-1]["steps"] if told else 0))
    if losses:
        if tuning.state is TuningState.SENT and steps:
            st.progress(min(1.0, len(losses) / steps), text=f"Step {len(losses)} of {steps}")
        live_chart(
            _figure(losses, steps),
            key=f"live_losses_{tuning.number}",
            height=_HEIGHT,
            alt=f"Loss of weights {tuning.number}, from {score(losses[0])} to {score(losses[-1])} nats a token",
            revision=f"{run_id} {tuning.number}",
        )
    with st.expander(f"The rows of weights {tuning.number}"):
        st.dataframe(
            [_row(row) for row in tuning.rows[:SHOWN_ROWS]],
            hide_index=True,
            key=f"live_rows_{tuning.number}",
            alt="Prompt and answer of every row",
        )
        if len(tuning.rows) > SHOWN_ROWS:
            st.caption(f"The first {SHOWN_ROWS} of {len(tuning.rows)}.")


def _row(row: Json) -> dict[str, str]:
    last = row["messages"][-1]["content"] if row["messages"] else ""
    return {
        "predictor": one_line(row["predictor"]),
        "asked": clip(one_line(asked_words(str(last)), 500)),
        "answer": one_line(row["answer"], 500),
        "from": "labels" if row.get("labelled") else "a trace",
        "messages": str(len(row["messages"])),
    }


def _figure(losses: Sequence[float], steps: int) -> dict[str, Any]:
    line = {
        "type": "scatter",
        "mode": "lines",
        "name": "Loss",
        "x": list(range(1, len(losses) + 1)),
        "y": list(losses),
        "line": {"color": "@c0", "width": 2},
        "hovertemplate": "step %{x}: %{y:.3f}<extra></extra>",
    }
    layout = {
        "xaxis": {**_AXIS, "title": {"text": "training step"}, "range": [0, max(steps, len(losses)) + 1]},
        "yaxis": {**_AXIS, "title": {"text": "loss, nats a token"}, "rangemode": "tozero"},
        "showlegend": False,
        "margin": {"l": 56, "r": 8, "t": 8, "b": 40},
    }
    return {"data": [line], "layout": layout}
