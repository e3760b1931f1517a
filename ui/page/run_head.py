"""What pages about one run share: finding it, saying what is missing, polling while it moves."""

import streamlit as st

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage import RunSummary
from mipro_studio.ui.page.frame import HOME, NEW_RUN, Page, frame, run_in_url
from mipro_studio.ui.page.notices import problem
from mipro_studio.ui.page.store import reading
from mipro_studio.ui.text.foreign_text import heading
from mipro_studio.ui.text.format import one_line

__all__ = ["open_run"]


def open_run(page: Page, otherwise: str) -> RunSummary | None:
    """The run of the URL, under its heading; None when there is none, and the page says the way to one."""
    asked = run_in_url()
    problem_found: StudioError | None = None
    run = None
    try:
        with reading() as reader:
            run = reader.run(asked) if reader is not None and asked else None
    except StudioError as error:
        problem_found = error
    if run is None:
        frame(page)
        st.title(page.title, anchor=False)
        if problem_found is not None:
            problem(problem_found, "This run cannot be shown")
        else:
            st.text(f"The address names no run. {otherwise}")
        st.page_link(HOME.path, label="Choose a run", icon=HOME.icon)
        st.page_link(NEW_RUN.path, label="Start one", icon=NEW_RUN.icon)
        return None
    frame(page, run.name)
    heading(f"{page.title}: {run.name}")
    st.caption(f"{one_line(run.optimizer, 30)} · seed {run.seed} · {run.id}")
    return run
