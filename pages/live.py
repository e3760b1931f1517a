"""One run as it happens: what it does, what it has found, what it costs. The URL names the run."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from mipro_studio.storage import LiveView, Reader, RunSummary
from mipro_studio.ui.arms.candidate_names import Names, names_of
from mipro_studio.ui.compare.for_example import for_example
from mipro_studio.ui.live import live_patterns, live_tabs
from mipro_studio.ui.live.importance import importance_panel
from mipro_studio.ui.live.live_head import buttons, cards, reason, rows_wait, status_line
from mipro_studio.ui.live.live_view import asked_of, given_up, latest
from mipro_studio.ui.live.parts_panel import parts_panel
from mipro_studio.ui.live.search_panel import bar, before_the_search, search_panel, searched
from mipro_studio.ui.live.spending import caps, limits_line, spending_table
from mipro_studio.ui.live.stages import stages_panel
from mipro_studio.ui.page.frame import COMPARE, EXPORT, LIVE, PRESENT
from mipro_studio.ui.page.of_run import followed
from mipro_studio.ui.result.evidence import evidence_of
from mipro_studio.ui.result.verdict import verdict

POLL_S = 1.5
WAYS = (COMPARE, PRESENT, EXPORT)
"""Where a result leads; the last not for a replay, whose program is with whoever packed it."""
TABS = (
    "Best candidate", "Trials", "Beliefs", "Parallel coordinates", "Minibatch and full", "Spending", "Errors", "Log",
    "Optuna",
)  # fmt: skip


def draw(reader: Reader, run: RunSummary) -> None:
    """One refresh."""
    view = latest(reader, run.id)
    config, plan = reader.config(run.id), reader.plan(run.id)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        status_line(view.summary)
        gave_up = given_up(reader, view)
        buttons(view.summary, asked_of(reader, view), gave_up)
    names = names_of(reader, run.id)
    bar(reader, view, plan, names)
    with st.container(gap="small"):
        reason(view.summary, view.outcome, gave_up)
    rows_first = rows_wait(view.summary)
    if rows_first:  # what a person is waited for
        stages_panel(reader, view, names)
    evidence = evidence_of(reader, run.id, view.trials, view.outcome)
    verdict(
        evidence,
        names,
        view.outcome,
        texts=view.outcome is not None,
        ways=WAYS[: 2 if view.summary.origin else 3],
    )
    for_example(reader, view.summary, evidence)
    before_the_search(reader, view)
    cards(view, plan)
    search_panel(view, config, names, evidence)
    if not rows_first:
        stages_panel(reader, view, names)
    if searched(view):
        with st.grid(2, min_column_width=400):
            with st.container(border=True, height="stretch"):
                st.header("What the score depends on", anchor=False)
                parts_panel(reader, view.summary, evidence, names)
                importance_panel(reader, view)
            spent(reader, view, config, plan)
    else:
        spent(reader, view, config, plan)
    tabs(reader, view, evidence.best, names)


def spent(reader: Reader, view: LiveView, config: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """What it cost so far, by role and against the caps."""
    with st.container(border=True, height="stretch"):
        st.header("Spent so far", anchor=False)
        spending_table(view.spending, plan, ablated=bool(config.get("ablate")))
        caps(view, config.get("budget") or {})
        limits_line(reader, view.summary)


def tabs(reader: Reader, view: LiveView, best: str | None, names: Names) -> None:
    """Only the open tab is read and sent."""
    run_id = view.summary.id
    draws: tuple[Callable[[], None], ...] = (
        lambda: live_tabs.candidate_tab(names, best),
        lambda: live_tabs.trials_tab(view, names),
        lambda: live_patterns.beliefs_tab(reader, view),
        lambda: live_patterns.parallel_tab(reader, view),
        lambda: live_patterns.scatter_tab(view, names),
        lambda: live_patterns.spending_tab(reader, view),
        lambda: live_tabs.errors_tab(reader, run_id, view.errors, names),
        lambda: live_tabs.log_tab(view, names),
        lambda: live_patterns.optuna_tab(view),
    )
    # Of a run that came to no score, what went wrong is what people look for.
    first = "Errors" if view.errors and not any(trial.n_ok for trial in view.trials) else TABS[0]
    for tab, show in zip(st.tabs(TABS, default=first, key="live_tab", on_change="rerun"), draws, strict=True):
        if tab.open:
            with tab:
                show()


followed(LIVE, draw, POLL_S)
