"""One instruction: its text against another, how it did, where it comes from, and what can be done with it."""

from collections.abc import Mapping, Sequence

import streamlit as st

from mipro_studio.optimizer_core.programs.instruction_frame import Frame
from mipro_studio.optimizer_core.types import SEED_ARM, Arm, Example
from mipro_studio.storage import AskedChange, Note, Reader, RunSummary
from mipro_studio.ui.arms.arm_scores import ArmScore
from mipro_studio.ui.arms.arm_words import author_words, standing
from mipro_studio.ui.arms.provenance import provenance
from mipro_studio.ui.arms.review_forms import edit_form, note_form, take_out
from mipro_studio.ui.page.url_choices import pick
from mipro_studio.ui.text.diffs import LONGEST, diff, diff_html, summary
from mipro_studio.ui.text.format import one_line
from mipro_studio.ui.text.long_text import long_text

__all__ = ["actions_of", "compared", "evidence", "head", "title"]


def title(arm: Arm) -> str:
    """A name for lists."""
    return f"{arm.index} · {author_words(arm)} · {one_line(arm.text, 60)}"


def compared(arm: Arm, arms: Mapping[int, Arm]) -> None:
    """The text with what differs from another, and what the program adds to it."""
    _differing(arm, arms)
    _kept(arms[SEED_ARM])


def _kept(seed: Arm) -> None:
    frame = Frame.of(seed.text, seed.provenance)
    if frame.tools:
        st.caption("Tools the model is told of: " + ", ".join(one_line(tool, 80) for tool in frame.tools))
    if frame.before or frame.after:
        with st.expander("What stays around it, whatever is written"):
            long_text(f"{frame.before}[the instruction]{frame.after}", "ins_kept", name="kept")


def _differing(arm: Arm, arms: Mapping[int, Arm]) -> None:
    base = arm.provenance.get("edited_from", SEED_ARM)
    others = [index for index in arms if index != arm.index]
    if not others:
        long_text(arm.text, "ins_text", name=f"instruction-{arm.index}")
        return
    default = base if base in others else others[0]
    against = pick("Against", "against", others, default, lambda index: title(arms[index]))
    other = arms[against]
    pieces = diff(other.text, arm.text)
    st.html(diff_html(pieces))
    st.caption(f"{summary(pieces)}, against instruction {against}.")
    if max(len(arm.text), len(other.text)) > LONGEST:
        st.caption(f"Compared in the first {LONGEST:,} characters.")
    with st.expander("The text alone"):
        long_text(arm.text, "ins_text", name=f"instruction-{arm.index}")


def evidence(reader: Reader, run_id: str, arm: Arm, scored: ArmScore | None, rows: Mapping[str, Example]) -> None:
    """Scores and provenance."""
    st.header("How it did", anchor=False)
    st.text(f"Validation {scored.words}." if scored and scored.estimate else "Not tried yet.")
    st.header("Where it comes from", anchor=False)
    provenance(reader, run_id, arm, rows)


def actions_of(run: RunSummary, arm: Arm, asked: Sequence[AskedChange], note: Note | None, why_not: str) -> None:
    """Edit, reject or take back, note; the note alone where the arms stand."""
    if why_not:
        note_form(run.id, f"instruction/{arm.owner}/{arm.index}", note, "A note on this instruction")
        return
    edit, reject, words = st.tabs(["Edit", "Reject" if arm.active else "Take back", "Note"])
    with edit:
        edit_form(run, arm)
    with reject:
        take_out(run, arm, asked)
    with words:
        note_form(run.id, f"instruction/{arm.owner}/{arm.index}", note, "A note on this instruction")


def head(arm: Arm, asked: Sequence[AskedChange], won: bool, tried: int) -> None:
    """Number, author, standing."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"Instruction {arm.index}", anchor=False, width="content")
        st.text(f"by {author_words(arm)} · {standing(arm, asked, won=won, tried=tried)}", width="content")
