"""Cards of the programs that come along, each started with one click."""

from typing import Any

import streamlit as st

from sample_programs.catalog import CATALOG
from sample_programs.types import Sample
from ui import actions
from ui.frame import LIVE, NEW_RUN

__all__ = ["all_samples", "sample_cards", "sample_values"]


def all_samples() -> list[Sample]:
    """The sample programs; reading the catalogue imports none of them."""
    return list(CATALOG.values())


def sample_values(name: str) -> dict[str, Any]:
    """The settings a sample is best started with, as far as it says; an unknown name gives only itself.

    Its search is not among them: the inspection puts it under the preset, where a choice of preset can go over it.
    """
    values: dict[str, Any] = {"program": f"sample:{name}"}
    sample = CATALOG.get(name)
    if sample is None:
        return values
    given = {name: part for name, part in sample.defaults.items() if name != "search"}
    data = {"split": list(sample.split), "stratify": sample.stratify, **given.pop("data", {})}
    return {**given, **values, "data": data}


def sample_cards() -> None:
    """One card a sample: what it is, whose data it uses, start it or set it up."""
    with st.grid(3, min_column_width=260):
        for sample in all_samples():
            _card(sample)


def _card(sample: Sample) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.markdown(f"**{sample.title}**")
        st.text(sample.description)
        st.caption(f"Licence: {sample.licence}")
        st.space("stretch")
        with st.container(horizontal=True):
            go = st.button("Start", key=f"sample_start_{sample.name}", icon=":material/play_arrow:", type="primary")
            setup = st.button("Set up", key=f"sample_setup_{sample.name}", icon=":material/tune:", type="tertiary")
        if setup:
            st.switch_page(NEW_RUN.path, query_params={"sample": sample.name})
        if go:
            with st.spinner("Looking at the program and its data…"):
                run_id = actions.start({"program": f"sample:{sample.name}", "name": sample.title})
            if run_id is None:
                st.rerun()
            st.switch_page(LIVE.path, query_params={"run": run_id})
