"""Filling the new-run form from the URL: `?sample=NAME`, or `?from=RUN` for an earlier run's settings."""

import streamlit as st

from optimizer_core.errors import StudioError
from ui.frame import query
from ui.notices import problem
from ui.run_form import to_state
from ui.samples import all_samples, sample_values
from ui.store import reading

__all__ = ["CHECKED", "prefill"]

CHECKED = "nr_checked"
"""Session key of the latest check: the config it was about, and its answer."""

_PREFILL = "nr_prefill"


def prefill() -> None:
    """Fill the form once for what the URL names: a sample, or the settings of an earlier run."""
    asked = (query("sample"), query("from"))
    if st.session_state.get(_PREFILL) == asked:
        return
    sample, run_id = asked
    values = sample_values(sample or all_samples()[0].name)
    if run_id:
        try:
            with reading() as reader:
                if reader is not None:
                    values = reader.config(reader.find(run_id))
        except StudioError as error:
            problem(error, "Those settings cannot be had")
    for key, value in to_state(values).items():
        st.session_state[key] = value
    st.session_state[_PREFILL] = asked
    st.session_state.pop(CHECKED, None)
