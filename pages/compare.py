"""Two to five candidates example by example, of one run or of several on the same data. The URL names them."""

import streamlit as st

from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.compare.compare_data import compared
from mipro_studio.ui.compare.compare_panels import all_of_them, example_detail, four_numbers, texts
from mipro_studio.ui.compare.compare_pickers import Picked, pick
from mipro_studio.ui.compare.examples_table import examples_table
from mipro_studio.ui.compare.front_panel import front_panel, objective_line
from mipro_studio.ui.compare.predictor_spending import by_predictor
from mipro_studio.ui.compare.strategies_panel import strategies_panel
from mipro_studio.ui.page.frame import COMPARE, EXPORT, LIVE, PRESENT, SETTINGS
from mipro_studio.ui.page.of_run import page_of_run
from mipro_studio.ui.result.evidence import evidence_of
from mipro_studio.ui.result.verdict import verdict
from mipro_studio.ui.settings.settings_view import differing_settings
from mipro_studio.ui.text.status import is_active


def nothing_to_compare(run: RunSummary, picked: Picked, ended: bool) -> None:
    """Says what is missing and where to go on; `ended` without an outcome."""
    if picked.split.value == "test":
        st.text("The sealed test is scored once, for baseline and winner, when the search is over. It was not yet.")
    elif picked.first[1] is None and ended:
        st.text("No example was scored, so there is nothing to compare.")
    elif picked.first[1] is None:
        st.text("No example has been scored yet: the baseline is scored first, then candidates follow.")
    else:
        st.text(f"There is no second candidate to compare with{' yet' if is_active(run) else ''}.")
    st.page_link(
        LIVE.path,
        label="See what the run does" if is_active(run) else "See what the run did",
        icon=LIVE.icon,
        query_params={"run": run.id},
    )


def draw(reader: Reader, run: RunSummary) -> None:
    with reader.snapshot():
        outcome, names = reader.outcome(run.id), names_of(reader, run.id)
        found_out = evidence_of(reader, run.id, reader.trials(run.id), outcome)
        verdict(found_out, names, outcome, texts=False, ways=(PRESENT,) if run.origin else (PRESENT, EXPORT))
        strategies_panel(reader, run.id, outcome, names)
        picked = pick(reader, run)
        if picked.first[1] is None or picked.second[1] is None:
            nothing_to_compare(run, picked, found_out.ended is not None)
            return
        found = compared(
            reader,
            (picked.first[0], picked.first[1]),
            (picked.second[0], picked.second[1]),
            picked.split,
            picked.more,
        )
        if not found.rows:
            st.text(f"The two runs share no example of the {picked.split_word} split, so nothing is compared.")
        else:
            four_numbers(found, picked)
            all_of_them(found, picked)
            objective_line(reader, picked)
            by_predictor(reader, picked)
            st.header("Examples", anchor=False)
            if picked.split.value == "test":
                st.caption("Rows of the sealed test are for telling others; choosing by them would unseal it.")
            row = examples_table(reader, found, picked)
            if row is not None:
                example_detail(reader, picked, row, found.examples.get(row.example))
        front_panel(reader, run.id)
        st.header("Instructions and demos", anchor=False)
        texts(reader, picked)
        if picked.second[0] != picked.first[0]:
            st.header("Settings that differ", anchor=False)
            differing_settings(reader, picked.first[0], picked.second[0])
            st.page_link(SETTINGS.path, label="All settings", icon=SETTINGS.icon, query_params={"run": run.id})


with page_of_run(COMPARE) as opened:
    if opened is not None:
        draw(*opened)
