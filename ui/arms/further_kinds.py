"""Arms of further kinds of a predictor, such as what an agent is told of its tools: read, edit, reject, take back."""

from collections.abc import Mapping, Sequence

import streamlit as st

from mipro_studio.control.review import EditableArms
from mipro_studio.optimizer_core.parameters.registry import KINDS, title
from mipro_studio.optimizer_core.types import DEMOS, INSTRUCTION, SEED_ARM, Arm
from mipro_studio.storage import AskedChange, Reader, RunSummary
from mipro_studio.ui.arms.arm_scores import arm_scores
from mipro_studio.ui.arms.arm_words import author_words, lineage, standing, winning_arm
from mipro_studio.ui.arms.review_forms import edit_form, take_out
from mipro_studio.ui.page.url_choices import pick
from mipro_studio.ui.text.diffs import diff, diff_html, summary
from mipro_studio.ui.text.foreign_text import line
from mipro_studio.ui.text.long_text import long_text

__all__ = ["further_kinds"]


def further_kinds(reader: Reader, run: RunSummary, editable: EditableArms, owner: str, why_not: str) -> None:
    """A panel for each kind beside instructions and demos that the predictor `owner` has arms of."""
    for kind in KINDS:
        arms = editable.arms(kind, owner)
        if kind not in (INSTRUCTION, DEMOS) and arms:
            own = "" if kind in editable.takes else f"This run does not search {title(kind)}: see search.kinds."
            _panel(reader, run, dict(sorted(arms.items())), list(editable.instructions).index(owner), why_not or own)


def _panel(reader: Reader, run: RunSummary, arms: Mapping[int, Arm], place: int, why_not: str) -> None:
    kind = arms[SEED_ARM].kind
    st.subheader(title(kind).capitalize(), anchor=False)
    asked: Sequence[AskedChange] = reader.changes(run.id)
    won = winning_arm(reader.outcome(run.id), place, kind)
    first = won if won in arms else next((index for index in arms if index), SEED_ARM)
    with st.container(border=True, gap="medium"):
        index = pick(title(kind).capitalize(), kind, list(arms), first or SEED_ARM, lambda each: _name(arms[each]))
        arm, scored = arms[index], arm_scores(reader, run.id, place, kind, reader.trials(run.id)).get(index)
        left, right = st.columns([3, 2], gap="large")
        with left:
            line(f"{lineage(arm)} {standing(arm, asked, won=index == won).capitalize()}.", muted=True)
            _text(arm, arms[SEED_ARM])
            st.text(f"Validation {scored.words}." if scored and scored.estimate else "Not tried yet.")
        with right:
            if why_not:
                st.caption(why_not)
                return
            edit, reject = st.tabs(["Edit", "Reject" if arm.active else "Take back"])
            with edit:
                if unwritten := KINDS[kind].why_not_edited(arms[SEED_ARM]):
                    st.caption(unwritten)
                else:
                    edit_form(run, arm)
            with reject:
                take_out(run, arm, asked)


def _name(arm: Arm) -> str:
    return f"{arm.index} · {author_words(arm)}"


def _text(arm: Arm, seed: Arm) -> None:
    """What it says, with what differs from the program's own."""
    said, own = KINDS[arm.kind].describe(arm), KINDS[arm.kind].describe(seed)
    if said == own:
        long_text(said, f"{arm.kind}_text", name=f"{arm.kind}-{arm.index}")
        return
    pieces = diff(own, said)
    st.html(diff_html(pieces))
    st.caption(f"{summary(pieces)}, against the program's own.")
    with st.expander("The text alone"):
        long_text(said, f"{arm.kind}_text", name=f"{arm.kind}-{arm.index}")
