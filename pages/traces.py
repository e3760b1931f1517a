"""Demo sets and the teacher's traces they are made of: what was kept and why, step by step; pin and drop."""

from collections.abc import Mapping

import streamlit as st

from mipro_studio.control import review
from mipro_studio.optimizer_core.types import DEMOS, SEED_ARM, TEACHER, Split
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.arms.arm_scores import arm_scores
from mipro_studio.ui.arms.arm_words import set_names, winning_arm
from mipro_studio.ui.arms.demo_sets import Pins, largest_made, row_name, set_form, set_panel, sets_list
from mipro_studio.ui.arms.review_forms import show_refusal, why_not_change
from mipro_studio.ui.arms.review_queue import waiting
from mipro_studio.ui.arms.trace_view import KINDS, Seen, of_kind, step_through, summary, traces_table
from mipro_studio.ui.live.live_head import status_line
from mipro_studio.ui.page.frame import LIVE, TRACES
from mipro_studio.ui.page.of_run import followed
from mipro_studio.ui.page.url_choices import pick
from mipro_studio.ui.text.by_nature import lacking
from mipro_studio.ui.text.format import one_line, score
from mipro_studio.ui.text.status import is_active

POLL_S = 3.0


def nothing_yet(run: RunSummary, off: bool) -> None:
    """No demo set and no trace: what the run does first, or why there will be none."""
    if never := lacking(run.optimizer, DEMOS):
        st.text(never)
    elif off:
        st.text("This run builds no demos: both limits on demos were 0, so every candidate is zero-shot.")
    elif is_active(run):
        st.text("No demo set is built yet: the teacher runs on training rows first.")
    else:
        st.text("The run ended before a demo set was built.")
    st.page_link(LIVE.path, label="See what it does", icon=LIVE.icon, query_params={"run": run.id})


def draw(reader: Reader, run: RunSummary) -> None:
    """The page; drawn again while the run works."""
    status_line(run)
    show_refusal()
    waiting(run, reader.changes(run.id))
    editable = review.editable_arms(reader, run.id)
    search = reader.config(run.id).get("search") or {}
    traced = reader.cells(run.id, TEACHER, Split.TRAIN)
    off = not search.get("max_bootstrapped", 1) and not search.get("max_labeled", 1)
    if not traced and not any(len(of_name) > 1 for of_name in editable.demo_sets.values()):
        nothing_yet(run, off)
        return
    names = list(editable.instructions)
    name = pick("Predictor", "predictor", names, names[0], lambda each: one_line(each, 60), width=360)
    seen = Seen.read(reader, run.id, traced, float(search.get("threshold", 1.0)))
    sets(reader, run, name, editable, seen)
    traces(reader, run.id, seen, set_names(editable.demo_sets[name].values()))


def sets(reader: Reader, run: RunSummary, name: str, editable: review.EditableArms, seen: Seen) -> None:
    """The demo sets, and the one that is open."""
    own, asked, why_not = dict(sorted(editable.demo_sets[name].items())), reader.changes(run.id), why_not_change(run)
    scores = arm_scores(reader, run.id, list(editable.instructions).index(name), DEMOS, reader.trials(run.id))
    st.header("Demo sets", anchor=False)
    never = lacking(run.optimizer, DEMOS)
    if why_not or never:
        st.caption(f"{never} {why_not}".strip())
    why_not = why_not or never
    won = winning_arm(reader.outcome(run.id), list(editable.instructions).index(name), DEMOS)
    sets_list(own, scores, asked, won, seen.rows)
    titles = set_names(own.values())
    first = won if own.get(won or SEED_ARM, own[SEED_ARM]).demos else None
    first = first or next((index for index, one in own.items() if one.demos), SEED_ARM)
    with st.container(border=True):
        index = pick("Open", "set", list(own), first, lambda i: f"{i} · {titles[i]}")
        left, right = st.columns([3, 2], gap="large") if not why_not else (st.container(), None)
        with left:
            set_panel(own[index], seen.rows, {fate.row: fate.score for fate in seen.fates})
        if right is None:
            return
        with right:
            inside = {demo.example_id for demo in own[index].demos if demo.augmented}
            tried = [fate for fate in seen.fates if fate.tried and fate.error is None and fate.row not in inside]
            words = {fate.row: f"metric {score(fate.score)} · {row_name(fate.row, seen.rows)}" for fate in tried}
            weak = [fate.row for fate in tried if not fate.solved]
            most = largest_made(own.values())
            set_form(run, own[index], Pins(words, weak, most), seen.rows, asked)


def traces(reader: Reader, run_id: str, seen: Seen, titles: Mapping[int, str]) -> None:
    """The teacher's runs, and the one that is stepped through."""
    st.header("Traces", anchor=False)
    st.text(summary(seen.fates, seen.threshold))
    kind = st.segmented_control("Show", KINDS, default=KINDS[0], key="tr_kind", required=True) or KINDS[0]
    chosen = of_kind(kind, seen.fates)
    traces_table(chosen, seen, titles)
    tried = [fate.row for fate in chosen if fate.tried]
    if tried:
        with st.container(border=True):
            row = pick("Step through", "trace", tried, tried[0], lambda each: row_name(each, seen.rows))
            step_through(reader, run_id, row, seen.rows.get(row))


followed(TRACES, draw, POLL_S, "A run's demos and traces can be seen here as soon as it bootstraps.")
