"""What a lab session wrote, setting beside setting, and what a search over the switches has counted."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import Arm, Author, Status
from mipro_studio.storage import LiveView, Reader
from mipro_studio.ui.lab.lab_form import learn_config
from mipro_studio.ui.lab.switch_counts import ahead, switch_counts
from mipro_studio.ui.new_run.check_panel import leaves
from mipro_studio.ui.page import actions
from mipro_studio.ui.page.frame import LAB, LIVE, NEW_RUN
from mipro_studio.ui.text.data_leaving import leaving
from mipro_studio.ui.text.foreign_text import line, paragraph
from mipro_studio.ui.text.format import UNKNOWN, count, one_line, plural, score

__all__ = ["counts", "learn", "side_by_side"]

_A_ROW = 3


def side_by_side(reader: Reader, run_id: str, config: Mapping[str, Any]) -> None:
    """One column a setting, for one predictor at a time."""
    arms = list(reader.instructions(run_id))
    written = [arm for arm in arms if arm.author is Author.MODEL]
    names = list(dict.fromkeys(arm.owner for arm in arms))
    if not written:
        st.caption("Nothing is written yet: summaries and demos come first, then the instructions, one by one.")
        return
    chosen = st.segmented_control(
        "Predictor", names, default=names[0], required=True, key="lab_predictor",
        format_func=lambda name: one_line(name, 40),
    )  # fmt: skip
    seed = next((arm for arm in arms if arm.owner == chosen and arm.author is Author.SEED), None)
    if seed is not None:
        with st.container(border=True, gap="small"):
            line("The seed: what the program came with", bold=True)
            paragraph(seed.text)
    variants = config["lab"]["variants"]
    with st.grid(_A_ROW, min_column_width=300):
        for variant in variants:
            mine = [
                arm for arm in written if arm.owner == chosen and arm.provenance.get("variant") == variant["name"]
            ]
            _column(variant, mine, int(config["lab"]["samples"]))


def _column(variant: Mapping[str, Any], arms: Sequence[Arm], wanted: int) -> None:
    with st.container(border=True, height="stretch", gap="small"):
        line(variant["name"], bold=True)
        tip = str(variant["tip"]).replace("_", " ")
        st.caption(f"tip {tip} · temperature {variant['temperature']}")
        if arms:
            _switches(arms[0])
        for arm in arms:
            if arm.active or arm.text:
                paragraph(arm.text)
            if not arm.active:
                line(f"Not usable: {arm.reason}", muted=True)
            tokens = arm.provenance.get("tokens") or {}
            words = len(arm.text.split())
            st.caption(f"{plural(words, 'word')} · shown {count(tokens.get('input'))} tokens")
        if len(arms) < wanted:
            st.caption(f"{wanted - len(arms)} still to come")


def _switches(arm: Arm) -> None:
    """What was really shown: a switch that silently fell back says so."""
    rows = arm.provenance.get("switches") or []
    shown = [row["switch"].replace("_", " ") for row in rows if row["used"]]
    st.text("Shown: " + (", ".join(shown) or "the seed instruction alone"))
    for row in rows:
        if row["requested"] and not row["used"]:
            line(f"Asked for, not shown: {row['switch'].replace('_', ' ')} ({row['why']})", muted=True)


def learn(view: LiveView, config: Mapping[str, Any]) -> None:
    """From reading to counting: a search over the switches within a stated number of program runs."""
    run = view.summary
    st.header("Which of these switches win?", anchor=False)
    st.text(
        "Reading does not tell. 0-Shot MIPRO++ draws switches, tip and temperature for each trial, writes fresh "
        "instructions that way, and scores them on rows of the validation set."
    )
    if run.status is not Status.COMPLETED:
        st.caption("It can be started when the session is finished.")
        return
    n_val = run.n_val
    least = 2 * n_val + 2
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    cap = int(left.number_input("Program runs to spend", least, None, max(least, 10 * n_val), step=50, key="lab_cap"))
    searched = learn_config(config, cap, n_val)
    right.caption(
        f"About {plural(searched.search.trials, 'trial')} of {searched.search.minibatch_size} rows, the baseline and "
        "full evaluations included in the cap. The sealed test is apart."
    )
    leaves(leaving(searched))
    with st.container(horizontal=True):
        if st.button("Start counting", key="lab_learn", type="primary", icon=":material/leaderboard:"):
            run_id = actions.start(searched.model_dump(mode="json", exclude_unset=True))
            if run_id is None:
                st.rerun()
            st.switch_page(LAB.path, query_params={"run": run_id})
        if st.button("Set it up in the form", key="lab_setup", type="tertiary", icon=":material/tune:"):
            wanted = {"from": run.id, "optimizer": "zero_shot_mipro_pp", "cap": str(cap)}
            st.switch_page(NEW_RUN.path, query_params=wanted)


def counts(reader: Reader, view: LiveView) -> None:
    """How the settings of each switch did, with their counts."""
    found = switch_counts(list(reader.instructions(view.summary.id)), view.trials)
    if not found:
        st.caption("No trial is finished yet. Each will add its switches, tip and temperature to the table.")
    else:
        st.text("\n".join(ahead(found)))
        rows = [
            {
                "switch": one_line(row.switch, 40),
                "setting": one_line(row.setting, 30),
                "mean score": score(row.mean),
                "90 % interval of the trials' mean": UNKNOWN
                if row.low is None
                else f"{score(row.low)} to {score(row.high)}",
                "trials": count(row.trials),
                "cells": count(row.cells),
            }
            for row in found
        ]
        st.dataframe(rows, hide_index=True, key="lab_counts", alt="Score by setting of each switch, with counts")
        st.caption(
            "TPE tries what looks good more often, so the settings have different numbers of trials, and a setting's "
            "mean is also that of what it was drawn with."
        )
    st.page_link(LIVE.path, label="This run, live", icon=LIVE.icon, query_params={"run": view.summary.id})
