"""The proposer alone: several settings of its switches on the same rows and seed, read side by side, then counted."""

import streamlit as st

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage import RunSummary
from mipro_studio.ui.lab.lab_form import lab_form
from mipro_studio.ui.lab.lab_results import counts, learn, side_by_side
from mipro_studio.ui.live.live_head import buttons, reason, status_line
from mipro_studio.ui.live.live_view import asked_of, latest
from mipro_studio.ui.page.frame import LAB, frame, run_in_url
from mipro_studio.ui.page.notices import problem
from mipro_studio.ui.page.store import reading
from mipro_studio.ui.text.foreign_text import heading
from mipro_studio.ui.text.format import ago, one_line
from mipro_studio.ui.text.status import LOOKS, is_active, progress

POLL_S = 1.5
COUNTED = ("zero_shot_mipro_pp", "mipro_pp")


def session(run_id: str, polled: bool) -> None:
    """One refresh of a session; the poll ends with the run."""
    with reading() as reader:
        if reader is None:
            st.rerun()
            return
        view = latest(reader, run_id)
        if is_active(view.summary) != polled:
            st.rerun()
        config = reader.config(run_id)
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            status_line(view.summary)
            buttons(view.summary, asked_of(reader, view))
        st.progress(progress(view.summary))
        with st.container(gap="small"):
            reason(view.summary, view.outcome)
        if view.summary.optimizer == "lab":
            side_by_side(reader, run_id, config)
            with st.container(border=True):
                learn(view, config)
        else:
            counts(reader, view)


def earlier(runs: list[RunSummary]) -> None:
    """Sessions to come back to."""
    mine = [run for run in runs if run.optimizer in ("lab", *COUNTED)]
    st.header("Earlier sessions", anchor=False)
    if not mine:
        st.caption("None yet. A session is a run: it goes on when this browser is closed, and is kept.")
    for run in mine[:12]:
        label = f"{LOOKS[run.status].word}, {ago(run.started_at or run.created_at)}"
        with st.container(horizontal=True, vertical_alignment="center"):
            if st.button("Open", key=f"lab_open_{run.id}", icon=LAB.icon, type="tertiary"):
                st.switch_page(LAB.path, query_params={"run": run.id})
            st.text(f"{one_line(run.name, 60)} · {label}")


def bench() -> None:
    """Where a session is set up."""
    frame(LAB)
    st.title("Proposer lab", anchor=False)
    st.text(
        "What does the prompt model write when it is shown more, or less? Same program, same rows, same seed: only "
        "the switches differ. Nothing is searched and nothing is scored."
    )
    try:
        with reading() as reader:
            runs = reader.list_runs() if reader is not None else []
    except StudioError as error:
        problem(error, "The runs cannot be shown")
        return
    with st.container(border=True):
        lab_form(runs)
    earlier(runs)


def page() -> None:
    asked = run_in_url()
    if asked is None:
        bench()
        return
    try:
        with reading() as reader:
            run = reader.run(asked) if reader is not None else None
    except StudioError as error:
        bench()
        problem(error, "This session cannot be shown")
        return
    if run is None or run.optimizer not in ("lab", *COUNTED):
        bench()
        return
    frame(LAB, run.name)
    heading(run.name)
    st.caption(f"seed {run.seed} · {run.id}")
    if st.button("New session", key="lab_new", icon=":material/add:", type="tertiary"):
        st.query_params.clear()
        st.rerun()
    polled = is_active(run)
    st.fragment(session, run_every=POLL_S if polled else None)(run.id, polled)


page()
