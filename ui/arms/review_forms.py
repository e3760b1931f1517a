"""Asking for changes of the arms from a page: the forms."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import streamlit as st

from mipro_studio.control import review
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.parameters.edits import LONGEST, MOST_ASKED
from mipro_studio.optimizer_core.parameters.registry import KINDS, title
from mipro_studio.optimizer_core.types import INSTRUCTION, SEED_ARM, Arm, ChangeKind, Status
from mipro_studio.storage import AskedChange, Note, RunSummary, default_store
from mipro_studio.ui.arms.arm_words import waiting_for
from mipro_studio.ui.page import actions
from mipro_studio.ui.page.notices import problem
from mipro_studio.ui.text.by_nature import no_more
from mipro_studio.ui.text.foreign_text import line
from mipro_studio.ui.text.format import ago, clean
from mipro_studio.ui.text.note_text import note_text

__all__ = [
    "add_forms",
    "ask_form",
    "edit_form",
    "note_form",
    "refuse",
    "send",
    "show_refusal",
    "take_out",
    "why_not_change",
]

_REFUSED = "review_refusal"
NOTHING: Mapping[str, Any] = MappingProxyType({})


_DONE = {
    ChangeKind.EDIT: "Saved as a new instruction.",
    ChangeKind.WRITE: "Added.",
    ChangeKind.ASK: "Asked for.",
    ChangeKind.REJECT: "Rejected.",
    ChangeKind.RESTORE: "Taken back.",
    ChangeKind.DEMOS: "A new set is made.",
    ChangeKind.ROWS: "Kept.",
}


def send(run_id: str, kind: ChangeKind, payload: dict[str, Any], fields: Mapping[str, Any] = NOTHING) -> bool:
    """Ask for a change; whether it was stored.

    Args:
        fields: Of the form; they get these values once it is stored. If refused, all stays as typed.
    """
    try:
        review.change(default_store(), run_id, kind, payload)
    except StudioError as error:
        refuse(error)
        return False
    st.session_state.update(fields)
    st.toast(f"{_DONE[kind]} It waits above until the run takes it up.", icon=":material/check:")
    return True


def show_refusal() -> None:
    """Why the last thing asked for was refused."""
    refusal = st.session_state.pop(_REFUSED, None) or actions.take_refusal()
    if refusal is not None:
        problem(refusal, "Not done")


def refuse(error: StudioError) -> None:
    """Keep a refusal for the page to show."""
    st.session_state[_REFUSED] = error


def why_not_change(run: RunSummary) -> str:
    """Why the arms of the run stand, and what to do; "" where they may be changed."""
    if run.origin:
        return "The run came from a replay file, so it is only shown. Set up one of your own to try others."
    if run.status is Status.COMPLETED:
        stands = "The run is completed, so nothing here can be changed."
        if bound := no_more(run.optimizer):
            return f"{stands} {bound} Rerun it on the page Live with other settings."
        return f"{stands} Ask for more trials on the page Live, then change it."
    return ""


def edit_form(run: RunSummary, arm: Arm) -> None:
    """A new arm from this one, whose kind can be written as text."""
    kind, text = title(arm.kind), KINDS[arm.kind].describe(arm)
    if len(text) > LONGEST:
        st.caption(f"It has {len(text):,} characters; at most {LONGEST:,} can be edited.")
        return
    own = "" if arm.kind == INSTRUCTION else f"_{arm.kind}"
    keys = tuple(f"review_{part}{own}_{arm.owner}_{arm.index}" for part in ("text", "why", "keep"))
    text_key, why_key, keep_key = keys
    st.text_area(kind.capitalize(), clean(text), key=text_key, height=180)
    st.text_input("Why (kept with it)", key=why_key)
    seed = arm.index == SEED_ARM
    st.checkbox(
        "Keep searching the original as well",
        value=seed,
        key=keep_key,
        disabled=seed,
        help="The baseline always stays." if seed else "Otherwise no new candidate uses it. Its scores stay.",
    )
    st.button(
        f"Save as {'a new' if arm.kind == INSTRUCTION else 'new'} {kind}",
        key=f"review_edit_save{own}",
        icon=":material/save:",
        help="The original and the difference stay on record.",
        on_click=_save_edit,
        args=(run.id, arm, *keys),
    )


def _save_edit(run_id: str, arm: Arm, text_key: str, why_key: str, keep_key: str) -> None:
    held, original = st.session_state, clean(KINDS[arm.kind].describe(arm))
    payload = {"predictor": arm.owner, "index": arm.index, "text": held[text_key], "reason": held[why_key]}
    named = {} if arm.kind == INSTRUCTION else {"kind": arm.kind}
    back = {text_key: original, why_key: ""}
    send(run_id, ChangeKind.EDIT, {**payload, **named, "keep": held[keep_key]}, back)


def take_out(run: RunSummary, arm: Arm, asked: Sequence[AskedChange]) -> None:
    """Reject an arm with a reason, or take a rejection back."""
    kind = arm.kind
    target = {"predictor": arm.owner, "kind": kind, "index": arm.index}
    if not arm.active:
        mine = "taken_out" in arm.provenance
        blocked = _going(arm, asked) or ("" if mine else "A person did not take it out.")
        st.text(f"It is not searched: {arm.reason or 'inactive'}.")
        st.button(
            "Take it back into the search",
            key=f"review_restore_{kind}",
            icon=":material/undo:",
            disabled=bool(blocked),
            help=blocked or "New candidates may use it again.",
            on_click=send,
            args=(run.id, ChangeKind.RESTORE, target),
        )
        return
    blocked = _going(arm, asked)
    if arm.index == SEED_ARM:
        blocked = "It is what the program came with: the baseline that all is compared with, so it stays."
    why_key = f"review_reject_{kind}_{arm.owner}_{arm.index}"
    st.text_input("Reason", key=why_key, disabled=bool(blocked), placeholder="It promises a refund.")
    if blocked:
        st.caption(blocked)
    st.button(
        "Reject",
        key=f"review_reject_{kind}",
        icon=":material/block:",
        disabled=bool(blocked),
        help=blocked or "No new candidate uses it and none that has it can win. Its scores stay on record.",
        on_click=_reject,
        args=(run.id, target, why_key),
    )


def _going(arm: Arm, asked: Sequence[AskedChange]) -> str:
    """Why it cannot be taken out or back now: that waits already. An edit that waits is no reason."""
    return "It waits already." if waiting_for(arm, asked) in ("rejection", "return") else ""


def _reject(run_id: str, target: dict[str, Any], why_key: str) -> None:
    send(run_id, ChangeKind.REJECT, {**target, "reason": st.session_state[why_key]}, {why_key: ""})


def add_forms(run: RunSummary, predictor: str) -> None:
    """Write an instruction, or have more of them written."""
    left, right = st.columns(2, gap="large")
    with left:
        st.header("Write your own", anchor=False)
        text, why = (f"review_new_{part}_{predictor}" for part in ("text", "why"))
        st.text_area("Instruction", key=text, height=140)
        st.text_input("Why (kept with it)", key=why)
        st.button(
            "Add", key="review_write", icon=":material/add:",
            help="It gets a trial of its own, in the candidate that leads.",
            on_click=_write, args=(run.id, predictor, text, why),
        )  # fmt: skip
    with right:
        st.header("Ask for more", anchor=False)
        ask_form(run, predictor)


def ask_form(run: RunSummary, predictor: str) -> None:
    """Have more instructions written, with a hint in a person's words."""
    hint, number = (f"review_more_{part}_{predictor}" for part in ("hint", "count"))
    st.text_area(
        "What it should take care of, in your words", key=hint, height=140,
        placeholder="Say what to do when two queues fit.",
    )  # fmt: skip
    st.number_input("How many", 1, MOST_ASKED, 2, key=number)
    st.button(
        "Ask the prompt model", key="review_ask", icon=":material/auto_awesome:",
        help="The run's worker writes them with what all proposals are shown, and your hint.",
        on_click=_more, args=(run.id, predictor, hint, number),
    )  # fmt: skip


def _write(run_id: str, predictor: str, text: str, why: str) -> None:
    held = st.session_state
    payload = {"predictor": predictor, "text": held[text], "reason": held[why]}
    send(run_id, ChangeKind.WRITE, payload, {text: "", why: ""})


def _more(run_id: str, predictor: str, hint: str, number: str) -> None:
    held = st.session_state
    payload = {"predictor": predictor, "hint": held[hint], "count": int(held[number])}
    send(run_id, ChangeKind.ASK, payload, {hint: ""})


def note_form(run_id: str, about: str, note: Note | None, label: str) -> None:
    """A person's own words, kept with the run."""
    key = f"review_note_{about}"
    typed = st.text_area(
        label, clean(note.body) if note else "", key=key, height=100, placeholder="Markdown, kept as you write it"
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button(
            "Keep the note", key=f"{key}_save", icon=":material/save:", on_click=_note, args=(run_id, about, key)
        )
        if note:
            line(f"Kept {ago(note.at)}{f' by {note.by}' if note.by else ''}.", muted=True)
    note_text(typed)


def _note(run_id: str, about: str, key: str) -> None:
    try:
        review.write_note(default_store(), run_id, about, st.session_state[key])
    except StudioError as error:
        refuse(error)
