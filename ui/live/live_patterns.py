"""Tabs of the live page that look across trials. Each reads and draws only while it is open."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mipro_studio.control.helper_client import Dashboards
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.parameters.registry import parameter_name
from mipro_studio.optimizer_core.types import EventKind
from mipro_studio.storage import LiveView, Reader, default_store, study_path
from mipro_studio.ui.arms.candidate_names import Names
from mipro_studio.ui.arms.slots import slots_of
from mipro_studio.ui.candidate.candidate_panel import open_panel
from mipro_studio.ui.candidate.parameter_panel import open_parameter
from mipro_studio.ui.charts import pattern_charts as charts
from mipro_studio.ui.charts.live_chart import live_chart
from mipro_studio.ui.page.notices import problem
from mipro_studio.ui.text.foreign_text import line
from mipro_studio.ui.text.format import elapsed_s, plural, score

__all__ = ["beliefs_tab", "dashboards", "optuna_tab", "parallel_tab", "scatter_tab", "spending_tab"]

_ROW_PX, _REST_PX, _MOST_ARMS = 26, 62, 24
_TOLD: Mapping[str, str] = {
    "item_response": "Item response: the score of a candidate with this arm, its other parts being average. "
    "Bars: the central 90 % of the posterior.",
    "tpe": "TPE keeps no means; shown is what it is told: candidates' means, pulled towards the middle where few "
    "cells stand behind them. Bars: 90 % around the weighted mean.",
    "random": "Nothing is modelled; shown are the candidates' shrunk means. Bars: 90 % around the weighted mean.",
}


def beliefs_tab(reader: Reader, view: LiveView) -> None:
    """What the search believes about each arm, as the worker last wrote it down, and how often each was tried."""
    events = reader.events_of(view.summary.id, EventKind.BELIEFS, 1)
    if not events:
        st.caption("The worker writes this down every few trials, the first time before the first full evaluation.")
        return
    said = events[-1][2].data
    tried = charts.trials_by_arm(view.trials, slots_of(reader.arms(view.summary.id)))
    groups: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for arm in said["arms"]:
        groups.setdefault((arm["predictor"], arm["kind"]), []).append(arm)
    cells = plural(said["n_cells"], "scored program run")
    st.caption(f"{_TOLD.get(said['surrogate'], '')} Before trial {said['trial'] + 1}: {cells}.")
    with st.grid(2, min_column_width=400):
        for (predictor, kind), arms in groups.items():
            with st.container(border=True, gap="xsmall"):
                line(parameter_name(predictor, kind), bold=True)
                shown = sorted(arms, key=lambda arm: -arm["n_cells"])[:_MOST_ARMS]
                shown.sort(key=lambda arm: arm["arm"])
                if len(shown) < len(arms):
                    st.caption(f"The {len(shown)} arms with the most cells, of {len(arms)}.")
                known = [arm for arm in shown if arm["mean"] is not None]
                top = max(known, key=lambda arm: arm["mean"], default=None)
                clicked = live_chart(
                    charts.beliefs_figure(shown, tried),
                    key=f"live_beliefs_{predictor}_{kind}",
                    height=_REST_PX + _ROW_PX * len(shown),
                    alt=f"Believed score by arm; arm {top['arm']} is highest with {score(top['mean'])}." if top else
                    "No arm has a score yet.",
                    revision=f"{view.summary.id} {len(shown)}",
                )  # fmt: skip
                if clicked:
                    open_parameter(view.summary.id, clicked)


def parallel_tab(reader: Reader, view: LiveView) -> None:
    """Every trial as a line through its arms."""
    figure = charts.parallel_figure(view.trials, slots_of(reader.arms(view.summary.id)))
    axes = figure["data"][0]["dimensions"]
    if len(axes) < 2 or not axes[-1]["values"]:
        st.caption("There is nothing to compare yet: no two trials differ in an arm.")
        return
    n = len(axes[-1]["values"])
    st.caption("Drag along an axis to keep only the trials that pass there; click it to show all again.")
    live_chart(
        figure, key="live_parallel", height=420, revision=view.summary.id,
        alt=f"{plural(n, 'trial')} through their arms to their score.",
    )  # fmt: skip


def scatter_tab(view: LiveView, names: Names) -> None:
    """How far a minibatch can be trusted; a click on a dot opens its candidate."""
    figure = charts.scatter_figure(view.trials, names.of)
    n = figure.pop("n")
    if not n:
        st.caption("No candidate has both a minibatch and a full evaluation yet.")
        return
    st.caption(
        "Candidates are promoted to a full evaluation because their minibatch was good, so most fall below the line: "
        "that is regression to the mean, and why only full evaluations are compared."
    )
    clicked = live_chart(
        figure, key="live_scatter", height=380, revision=view.summary.id,
        alt=f"Minibatch against full evaluation of {plural(n, 'candidate')}.",
    )  # fmt: skip
    if clicked:
        open_panel(view.summary.id, clicked)


def spending_tab(reader: Reader, view: LiveView) -> None:
    """LM calls by role over time."""
    run = view.summary
    if not view.spending:
        st.caption("Nothing has been spent yet.")
        return
    notes = reader.events_of(run.id, EventKind.SPENDING, 1000)
    history = [(elapsed_s(run.started_at, at) or 0.0, event.data) for _, at, event in notes]
    end = elapsed_s(run.started_at, run.ended_at or run.updated_at) or 0.0
    figure = charts.spending_figure(history, max([end, *(at for at, _ in history)]), view.spending)
    live_chart(figure, key="live_burn", height=340, alt=figure.pop("alt"), revision=run.id)
    if not history:
        st.caption("This run has no notes of its spending on the way, so each line joins nothing and the total.")


def _close(kept: Dashboards) -> None:
    kept.close()


@st.cache_resource(on_release=_close)  # type: ignore[untyped-decorator]
def dashboards() -> Dashboards:
    """The optuna-dashboard processes of this server; they end with it."""
    return Dashboards()


def optuna_tab(view: LiveView) -> None:
    """optuna-dashboard on the run's study, in a process of its own, on this machine only."""
    run_id = view.summary.id
    st.text(
        "The run's trials are also an Optuna study. optuna-dashboard opens it read-only, on this machine only, and "
        "ends with the studio."
    )
    study = study_path(default_store(), run_id)
    url = dashboards().url(run_id)
    if url is None:
        pressed = st.button(
            "Start optuna-dashboard", key="live_optuna", icon=":material/query_stats:", disabled=not study.exists(),
            help="Takes a few seconds." if study.exists() else "The study is written when a first trial is finished.",
        )  # fmt: skip
        if pressed:
            try:
                with st.spinner("Starting…"):
                    url = dashboards().start(run_id, study)
            except StudioError as error:
                problem(error, "It did not start")
    if url is not None:
        with st.container(horizontal=True):
            st.link_button("Open optuna-dashboard", url, icon=":material/open_in_new:", type="primary")
            if st.button("Stop it", key="live_optuna_stop", type="tertiary"):
                dashboards().stop(run_id)
                st.rerun(scope="app")
    st.caption("Its importance tab uses PED-ANOVA, which misleads on TPE's trials; trust the panel above instead.")
