"""Set up a run, see what it would do and cost while you change it, check it, start it."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mipro_studio.control import launcher, new_runs
from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.storage import default_store
from mipro_studio.ui.new_run import form_data, form_models, form_parts, form_program
from mipro_studio.ui.new_run.check_panel import consent, found, leaves, looked_at, not_complete, planned
from mipro_studio.ui.new_run.pace import pace_s
from mipro_studio.ui.new_run.prefill import prefill
from mipro_studio.ui.new_run.run_form import subject, to_config
from mipro_studio.ui.new_run.start_bar import start_bar
from mipro_studio.ui.page import drafts
from mipro_studio.ui.page.access import require_allowed
from mipro_studio.ui.page.drafts import CHECKED
from mipro_studio.ui.page.frame import LIVE, NEW_RUN, frame
from mipro_studio.ui.page.notices import problem
from mipro_studio.ui.text.data_leaving import leaving


def form() -> None:
    for part in (form_program.program, form_program.metric, form_data.data, form_models.models, form_parts.optimizer):
        with st.container(border=True):
            part()
    with st.expander("Proposer: what the prompt model is shown", icon=":material/edit_note:"):
        form_parts.proposer()
    with st.expander("Search: every number by hand", icon=":material/travel_explore:"):
        form_parts.search()
    with st.expander("Limits, threads, seed", icon=":material/speed:"):
        form_parts.budget()


def check(config: RunConfig) -> None:
    """Look at program and data in a process of its own; kept with the settings it speaks of."""
    with st.spinner("Trying the program on two rows…"):
        try:
            require_allowed(config)
            answer: Any = new_runs.inspect(config.model_dump(mode="json", exclude_unset=True))
        except StudioError as error:
            answer = error
    st.session_state[CHECKED] = (config, answer)
    st.rerun()


def panel(config: RunConfig | BadInput) -> None:
    st.header("Check and start", anchor=False)
    st.caption(
        "The check runs the program on two training rows with the real models and metric, in a process of its own. "
        "The run takes them over, so they are paid for once."
    )
    checked = st.session_state.get(CHECKED)
    unheld = consent(checked) if checked is not None and checked[0] == config else ""
    pressed, started, anyway = start_bar(config, checked, unheld)
    if isinstance(config, BadInput):
        not_complete(config)
        return
    if pressed:
        check(config)
    leaves(leaving(config))
    if (started or anyway) and checked is not None:
        start(config, checked[1], anyway)
    if checked is not None:
        if checked[0] != config:
            st.caption("What follows is from before your last change. Check again to start.")
        found(config, checked[1])
    plan(config, checked)
    if checked is not None:
        looked_at(checked[1])


def plan(config: RunConfig, checked: tuple[RunConfig, Any] | None) -> None:
    """What the settings as they stand would take; the form shows the same numbers, so it is drawn again once."""
    before = drafts.latest()
    place = st.container()
    with st.spinner("Working out the plan…"):
        draft = drafts.work_out(config, checked)
    with place:
        planned(draft, pace_s(checked), config.threads or 1)
    if not isinstance(draft, BadInput) and drafts.latest() != before:
        st.rerun()


def start(config: RunConfig, found: Mapping[str, Any], anyway: bool) -> None:
    try:
        with st.spinner("Starting…"):
            require_allowed(config)
            values = config.model_dump(mode="json", exclude_unset=True)
            run_id = launcher.start(default_store(), values, found=found, anyway=anyway, agreed=True)
    except StudioError as error:
        problem(error, "The run was not started")
        return
    st.switch_page(LIVE.path, query_params={"run": run_id})


frame(NEW_RUN)
st.title("New run", anchor=False)
prefill()
drafts.about(*subject(st.session_state))
left, right = st.columns([3, 2], gap="medium")
with left:
    form()
drafts.about(*subject(st.session_state))  # an upload or a field may have come while it was drawn
with right.container(border=True):
    try:
        wanted: RunConfig | BadInput = to_config(st.session_state)
    except BadInput as bad:
        wanted = bad
    panel(wanted)
