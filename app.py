"""Home: the runs, and a sample to start with one click."""

from dataclasses import replace

import streamlit as st

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.home.open_replay import finished_run, open_replay
from mipro_studio.ui.home.runs_table import runs_table
from mipro_studio.ui.home.samples import sample_cards
from mipro_studio.ui.page.actions import take_refusal
from mipro_studio.ui.page.frame import HOME, NEW_RUN, frame
from mipro_studio.ui.page.notices import problem
from mipro_studio.ui.page.store import kept_of_run, reading
from mipro_studio.ui.result.evidence import as_told
from mipro_studio.ui.text.status import is_active

POLL_S = 3.0


def runs(polled: bool) -> None:
    """The table of runs; stops asking when no run moves."""
    with reading() as reader:
        listed = [_told(reader, run) for run in reader.list_runs()] if reader is not None else []
        deeds = reader.deeds_by_run([run.id for run in listed]) if reader is not None else {}
    if any(map(is_active, listed)) != polled:
        st.rerun()
    runs_table(listed, deeds)


def _told(reader: Reader, run: RunSummary) -> RunSummary:
    """Read anew only where a run has changed: the table is drawn every few seconds."""
    if run.status is Status.COMPLETED:
        return run
    told = kept_of_run(reader, run, "as told", lambda: as_told(reader, run))
    return replace(run, baseline_val=told.baseline_val, best_val=told.best_val)


def page() -> None:
    frame(HOME)
    title, action = st.columns([3, 2], vertical_alignment="bottom")
    with title:
        st.title("Runs", anchor=False)
        st.text("Search for better instructions and demos for a DSPy program, and watch it happen.")
    with action.container(horizontal=True, horizontal_alignment="right"):
        with st.popover("Open a replay", icon=":material/folder_open:", key="home_open"):
            open_replay("home_open")
        if st.button("New run", key="home_new", type="primary", icon=":material/add:"):
            st.switch_page(NEW_RUN.path)
    refusal = take_refusal()
    if refusal is not None:
        problem(refusal, "The run was not started")
    try:
        with reading() as reader:
            listed = reader.list_runs() if reader is not None else []
    except StudioError as error:
        problem(error, "The runs cannot be shown")
        return
    if listed:
        polled = any(map(is_active, listed))
        st.fragment(runs, run_every=POLL_S if polled else None)(polled)
        st.space("small")
        st.header("Start with a sample", anchor=False)
    else:
        st.space("small")
        st.header("There is no run yet. Start with a sample", anchor=False)
        finished_run()
    sample_cards()


if __name__ == "__main__":
    page()
else:
    # `streamlit run` imports this module for its server, which then runs it as the first page.
    from streamlit.starlette import App

    from mipro_studio.ui.page.door import announced, door

    app = App(__file__, middleware=[door()], lifespan=announced)
