"""Benchmarks: what was measured here, and what the paper reports, clearly apart."""

import streamlit as st

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import default_store
from mipro_studio.ui.benchmarks.benchmark_view import how_to, measured, paper, read_groups
from mipro_studio.ui.page.frame import BENCHMARKS, frame
from mipro_studio.ui.page.notices import problem
from mipro_studio.ui.page.store import reading


def page() -> None:
    frame(BENCHMARKS)
    st.title("Benchmarks", anchor=False)
    try:
        with reading() as reader:
            finished = [] if reader is None else reader.list_runs(limit=100_000)
        version = tuple(run.id for run in finished if run.status is Status.COMPLETED)
        found = read_groups(default_store(), version) if version else []
    except StudioError as error:
        problem(error, "The runs cannot be shown")
        return
    if found:
        st.header("Measured on this machine", anchor=False)
        measured(found)
        with st.expander("Run a benchmark"):
            how_to()
        st.space("medium")
    paper()
    if not found:
        st.space("medium")
        st.header("Nothing has been measured on this machine yet", anchor=False)
        how_to()


page()
