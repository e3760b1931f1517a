"""Filling the new-run form from the URL: `?sample=NAME`, or `?from=RUN` for an earlier run's settings.

`&optimizer=NAME` and `&cap=N` change two of them: what the proposer lab leads on to.
"""

from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.catalogue import OPTIMIZERS
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage import Reader
from mipro_studio.ui.home.samples import all_samples, sample_values
from mipro_studio.ui.new_run.run_form import to_state
from mipro_studio.ui.page.drafts import CHECKED
from mipro_studio.ui.page.frame import query
from mipro_studio.ui.page.notices import problem
from mipro_studio.ui.page.store import reading

__all__ = ["prefill"]

_PREFILL, _REFUSED = "nr_prefill", "nr_prefill_refused"


def _asked(reader: Reader, run_id: str) -> dict[str, Any]:
    """A run's settings with its search as the person asked for it, so that presets still fill in the rest."""
    config, asked = reader.config(run_id), reader.receipt(run_id).get("asked")
    if not isinstance(asked, dict):
        return config
    search = {"search": asked["search"]} if "search" in asked else {}
    proposer = {**config["proposer"]}
    if "temperature" not in asked.get("proposer", {}):
        proposer.pop("temperature", None)
    proposer.pop("vary_temperature", None)
    rest = {name: value for name, value in config.items() if name not in ("search", "proposer")}
    # Labels that nobody named are found anew: the rows may be others.
    data = {**config["data"], "labels": asked.get("data", {}).get("labels") or []}
    return {**rest, **search, "proposer": proposer, "data": data}


def prefill() -> None:
    """Fill the form once for what the URL names: a sample, or the settings of an earlier run."""
    asked = (query("sample"), query("from"), query("optimizer"), query("cap"))
    if st.session_state.get(_PREFILL) == asked:
        if (refused := st.session_state.get(_REFUSED)) is not None:
            problem(refused, "Those settings cannot be had")
        return
    st.session_state[_REFUSED] = None
    sample, run_id, optimizer, cap = asked
    values = sample_values(sample or all_samples()[0].name)
    if run_id:
        try:
            with reading() as reader:
                if reader is not None:
                    values = _asked(reader, reader.find(run_id))
        except StudioError as error:
            st.session_state[_REFUSED] = error
            problem(error, "Those settings cannot be had")
    for key, value in to_state(values).items():
        st.session_state[key] = value
    if optimizer in OPTIMIZERS:
        st.session_state["nr_optimizer"] = optimizer
    if cap is not None and cap.isdecimal():
        st.session_state["nr_max_runs"] = max(1, int(cap))
    st.session_state[_PREFILL] = asked
    st.session_state.pop(CHECKED, None)
