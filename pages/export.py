"""Take a run home: its program, plain messages, report, replay file. The URL names run and candidate."""

import streamlit as st

from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.export.export_panels import (
    check_panel,
    messages_panel,
    pick_candidate,
    program_panel,
    replay_panel,
    report_panel,
)
from mipro_studio.ui.home.open_replay import open_replay
from mipro_studio.ui.page.frame import EXPORT, LIVE, run_in_url
from mipro_studio.ui.page.of_run import page_of_run


def program(reader: Reader, run: RunSummary) -> None:
    with st.container(border=True):
        st.header("Program", anchor=False)
        candidate = pick_candidate(reader, run)
        if candidate is None:
            st.text("No candidate has been scored yet, so there is no program to take home.")
            st.page_link(LIVE.path, label="See what the run does", icon=LIVE.icon, query_params={"run": run.id})
            return
        made = program_panel(run, candidate)
    if made is None:
        return
    with st.container(border=True):
        messages_panel(made)
    with st.container(border=True):
        check_panel(run, candidate)


with page_of_run(EXPORT) as opened:
    if opened is not None:
        reader, run = opened
        with st.grid(2, min_column_width=380):
            with st.container(border=True, height="stretch"):
                report_panel(run)
            with st.container(border=True, height="stretch"):
                replay_panel(run)
        program(reader, run)
if run_in_url() is None:
    with st.container(border=True):
        st.header("Open a replay file", anchor=False)
        open_replay()
