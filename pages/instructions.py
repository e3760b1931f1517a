"""All instructions of a predictor side by side: who wrote each, how it did; edit, reject, write, ask for more."""

import streamlit as st

from mipro_studio.control import review
from mipro_studio.optimizer_core.types import INSTRUCTION, SEED_ARM, Arm, Author, Split, Status
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.arms import instruction_detail, instruction_list
from mipro_studio.ui.arms.arm_scores import arm_scores
from mipro_studio.ui.arms.arm_words import winning_arm
from mipro_studio.ui.arms.further_kinds import further_kinds
from mipro_studio.ui.arms.instruction_list import QUEUE, TABLE, VIEW, VIEWS
from mipro_studio.ui.arms.one_by_one import one_by_one
from mipro_studio.ui.arms.provenance import flags_of
from mipro_studio.ui.arms.review_forms import add_forms, note_form, show_refusal, why_not_change
from mipro_studio.ui.arms.review_queue import gate, waiting
from mipro_studio.ui.live.live_head import status_line
from mipro_studio.ui.page.frame import INSTRUCTIONS, LIVE, query
from mipro_studio.ui.page.of_run import followed
from mipro_studio.ui.page.url_choices import pick, picked
from mipro_studio.ui.text.by_nature import lacking, tunes_weights
from mipro_studio.ui.text.format import one_line
from mipro_studio.ui.text.status import is_active

POLL_S = 3.0


def nothing_yet(run: RunSummary) -> None:
    """No arm is written: what the run does first, or why it never will."""
    if never := lacking(run.optimizer, INSTRUCTION):
        st.text(never)
    elif is_active(run):
        st.text("No instruction is written yet. The program's own come first, then the prompt model's proposals.")
    else:
        st.text("The run ended before any instruction was written.")
    st.page_link(LIVE.path, label="See what it does", icon=LIVE.icon, query_params={"run": run.id})


def draw(reader: Reader, run: RunSummary) -> None:
    """The page; drawn again while the run works."""
    status_line(run)
    show_refusal()
    editable = review.editable_arms(reader, run.id)
    asked = reader.changes(run.id)
    everything = [arm for of_name in editable.instructions.values() for arm in of_name.values()]
    proposed = sum(arm.author is Author.MODEL for arm in everything)
    gate(run, proposed, sum(one.settled is None for one in asked))
    waiting(run, asked)
    if not all(editable.instructions.values()) or not everything:
        nothing_yet(run)
        return
    names = list(editable.instructions)
    at_gate = run.status is Status.AWAITING_REVIEW and not tunes_weights(run.optimizer)
    start = QUEUE if at_gate and not query("arm") else TABLE
    view = st.segmented_control("View", VIEWS, default=start, key=VIEW, required=True) or start
    if view == QUEUE:
        why_not = why_not_change(run) or lacking(run.optimizer, INSTRUCTION)
        one_by_one(reader, run, everything, asked, reader.notes(run.id), why_not)
        return
    name = pick("Predictor", "predictor", names, names[0], lambda each: one_line(each, 60), width=360)
    one_predictor(reader, run, name, editable, view)


def one_predictor(reader: Reader, run: RunSummary, name: str, editable: review.EditableArms, view: str) -> None:
    """The list, and the one that is open."""
    arms = dict(sorted(editable.instructions[name].items()))
    asked, notes = reader.changes(run.id), reader.notes(run.id)
    place = list(editable.instructions).index(name)
    scores = arm_scores(reader, run.id, place, INSTRUCTION, reader.trials(run.id))
    rows = {row.id: row for row in reader.examples(run.id, Split.TRAIN)}
    flags = {index: flags_of(arm, rows, arms[SEED_ARM].text) for index, arm in arms.items()}
    stands, never = why_not_change(run), lacking(run.optimizer, INSTRUCTION)
    if why_not := stands or never:
        st.caption(f"{never} {stands}".strip())
    draw_list = instruction_list.table if view == TABLE else instruction_list.cards
    won = winning_arm(reader.outcome(run.id), place, INSTRUCTION)
    draw_list(list(arms.values()), scores, asked, flags, won)
    proposed = next((index for index, arm in arms.items() if arm.author is Author.MODEL), SEED_ARM)
    first = won if won and won in arms else proposed
    picked("arm", list(arms), first)
    with st.container(border=True, gap="medium"):
        arm: Arm = arms[pick("Open", "arm", list(arms), first, lambda i: instruction_detail.title(arms[i]))]
        left, right = st.columns([3, 2], gap="large")
        with left:
            scored = scores.get(arm.index)
            instruction_detail.head(arm, asked, arm.index == won, scored.n_candidates if scored else 0)
            instruction_detail.compared(arm, arms)
            for source, passage in flags[arm.index]:
                st.text(f"Repeats {source} word for word: “{one_line(passage, 300)}”")
            note = notes.get(f"instruction/{name}/{arm.index}")
            instruction_detail.actions_of(run, arm, asked, note, why_not)
        with right:
            instruction_detail.evidence(reader, run.id, arm, scores.get(arm.index), rows)
    if not why_not:
        with st.container(border=True):
            add_forms(run, name)
    further_kinds(reader, run, editable, name, why_not)
    with st.expander("A note on the run", icon=":material/sticky_note_2:"):
        note_form(run.id, "run", notes.get("run"), "Kept with the run")


followed(INSTRUCTIONS, draw, POLL_S, "A run's instructions can be read here as soon as they are written.")
