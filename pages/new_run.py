"""Set up a run, check what it would do and cost, start it."""

from typing import Any

import streamlit as st

import launcher
from optimizer_core.config import RunConfig
from optimizer_core.errors import BadInput, StudioError
from storage import default_store
from ui import form_parts
from ui.check_panel import found, leaves, not_complete, why_not
from ui.frame import LIVE, NEW_RUN, frame
from ui.notices import problem
from ui.prefill import CHECKED, prefill
from ui.run_form import leaving, to_config


def form() -> None:
    with st.container(border=True):
        form_parts.program()
    with st.container(border=True):
        form_parts.data()
    with st.container(border=True):
        form_parts.models()
    with st.expander("Proposer: what the prompt model is shown", icon=":material/edit_note:"):
        form_parts.proposer()
    with st.expander("Search: how many candidates and trials", icon=":material/travel_explore:"):
        form_parts.search()
    with st.expander("Limits, threads, seed, review", icon=":material/speed:"):
        form_parts.budget()


def check(config: RunConfig) -> None:
    """Look at program and data in a process of its own; kept with the settings it speaks of."""
    with st.spinner("Looking at the program and its data…"):
        try:
            answer: Any = launcher.inspect(config.model_dump(mode="json"))
        except StudioError as error:
            answer = error
    st.session_state[CHECKED] = (config, answer)


def panel(config: RunConfig | BadInput) -> None:
    st.subheader("Check and start", anchor=False)
    st.caption(
        "The check loads program and data in a process of its own, and makes one short call to every endpoint."
    )
    with st.container(horizontal=True):
        pressed = st.button(
            "Check", key="nr_check", icon=":material/fact_check:", disabled=isinstance(config, BadInput)
        )
        start_place = st.empty()
    if pressed and isinstance(config, RunConfig):
        check(config)
    checked = st.session_state.get(CHECKED)
    reason = why_not(config, checked)
    started = start_place.button(
        "Start", key="nr_start", icon=":material/play_arrow:", type="primary", disabled=bool(reason),
        help=reason or "Stores the run and starts its worker.",
    )  # fmt: skip
    if isinstance(config, BadInput):
        not_complete(config)
        return
    leaves(leaving(config))
    if started:
        start(config)
    if checked is not None:
        if isinstance(checked[1], StudioError):
            problem(checked[1], "The check found a problem")
        else:
            found(checked[1])


def start(config: RunConfig) -> None:
    try:
        with st.spinner("Starting…"):
            run_id = launcher.start(default_store(), config.model_dump(mode="json"))
    except StudioError as error:
        problem(error, "The run was not started")
        return
    st.switch_page(LIVE.path, query_params={"run": run_id})


frame(NEW_RUN)
st.title("New run", anchor=False)
prefill()
left, right = st.columns([3, 2], gap="large")
with left:
    form()
with right.container(border=True):
    try:
        wanted: RunConfig | BadInput = to_config(st.session_state)
    except BadInput as bad:
        wanted = bad
    panel(wanted)
