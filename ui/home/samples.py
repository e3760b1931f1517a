"""Cards of the programs that come along: those that start with one click, and those that need something first."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from mipro_studio.sample_programs.catalog import CATALOG
from mipro_studio.sample_programs.types import Sample
from mipro_studio.ui.page import actions
from mipro_studio.ui.page.frame import LIVE, NEW_RUN

__all__ = ["all_samples", "sample_cards", "sample_values"]


TUNED = "triage"
"""The sample whose model is tuned by a click: its own prompts get little out of it, and its weights much."""


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
    """One card a sample, in two groups: what a click starts here and now, and the papers' larger tasks."""
    samples = all_samples()
    here = [sample for sample in samples if sample.runs_here]
    others = [sample for sample in samples if not sample.runs_here]
    if here:
        st.markdown("**Runs here, offline**")
        st.caption("With the model that comes along: no key, no account, nothing leaves this machine.")
        _grid(here)
    if others:
        st.space("small")
        st.markdown("**Needs an endpoint or data**")
        st.caption("Tasks of the MIPRO and BetterTogether papers. What is missing stands on the card.")
        _grid(others)


def _grid(samples: Sequence[Sample]) -> None:
    with st.grid(3, min_column_width=260):
        for sample in samples:
            _card(sample)


def _card(sample: Sample) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.markdown(f"**{sample.title}**")
        st.text(sample.description)
        _needs(sample)
        st.space("stretch")
        with st.container(horizontal=True, vertical_alignment="center"):
            go = sample.runs_here and st.button(
                "Start", key=f"sample_start_{sample.name}", icon=":material/play_arrow:", type="primary"
            )
            together = sample.runs_here and sample.name == TUNED and st.button(
                "Better together, offline", key=f"sample_together_{sample.name}", icon=":material/model_training:",
                help="Prompts, then the model's weights, then prompts again, on this machine: BetterTogether.",
            )  # fmt: skip
            setup = st.button("Set up", key=f"sample_setup_{sample.name}", icon=":material/tune:", type="tertiary")
            _about(sample)
        if setup:
            st.switch_page(NEW_RUN.path, query_params={"sample": sample.name})
        if go:
            _start(sample)
        if together:
            _start(sample, optimizer="better_together", name=f"{sample.title}, better together")


def _needs(sample: Sample) -> None:
    """What stands between the sample and a run."""
    needs = []
    if not sample.embedded_ok:
        needs.append(("An endpoint: beyond the embedded model", ":material/cloud:"))
    if sample.missing():
        needs.append((f"Data: {', '.join(sample.missing())}", ":material/download:"))
    for need, icon in needs:
        st.badge(need, icon=icon, color="gray")


def _about(sample: Sample) -> None:
    with st.popover("About", type="tertiary", icon=":material/info:", key=f"sample_about_{sample.name}"):
        if sample.paper:
            st.text(f"Against the paper: {sample.paper}")
        st.text(f"Licence: {sample.licence}.")
        if sample.missing():
            st.text("Fetch the data from its official source, once:")
            st.code(f"python -m sample_programs.fetch {_source(sample)}", language=None, wrap_lines=True)


def _source(sample: Sample) -> str:
    """The name that the data goes by: some tasks share theirs."""
    names = (file.partition(".")[0].removesuffix("_corpus") for file in sample.missing())
    return " ".join(dict.fromkeys(names))


def _start(sample: Sample, **more: str) -> None:
    with st.spinner("Looking at the program and its data…"):
        run_id = actions.start({"program": f"sample:{sample.name}", "name": sample.title, **more})
    if run_id is None:
        st.rerun()
    st.switch_page(LIVE.path, query_params={"run": run_id})
