"""The review queue: one instruction at a time, old and new beside each other, decided by keys."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import SEED_ARM, Arm
from mipro_studio.storage import AskedChange, Note, Reader, RunSummary
from mipro_studio.ui.arms import queue_acts
from mipro_studio.ui.arms.arm_words import lineage
from mipro_studio.ui.arms.provenance import flags_of, provenance
from mipro_studio.ui.arms.queue_items import (
    APPROVED,
    DECISIONS,
    Filter,
    Item,
    items_of,
    next_unread,
    shown,
)
from mipro_studio.ui.arms.review_forms import ask_form
from mipro_studio.ui.page.focus import focus_on
from mipro_studio.ui.page.person import person
from mipro_studio.ui.text.foreign_text import line
from mipro_studio.ui.text.format import one_line
from mipro_studio.ui.text.sentences import columns_html

__all__ = ["one_by_one"]

_ALL = "all"
_ACTS: Mapping[str, tuple[str, str, str]] = {
    "back": ("Back", "Left", ":material/arrow_back:"),
    "next": ("Next", "Right", ":material/arrow_forward:"),
    "approve": ("Approve", "A", ":material/check:"),
    "edit": ("Edit", "E", ":material/edit:"),
    "reject": ("Reject", "X", ":material/block:"),
    "note": ("Note", "N", ":material/sticky_note_2:"),
    "write": ("Write", "W", ":material/add:"),
    "undo": ("Undo", "U", ":material/undo:"),
    "add": ("Add it", "Ctrl+Enter", ":material/add:"),
    "save": ("Save instead of it", "Ctrl+Enter", ":material/save:"),
    "keep": ("Keep the note", "Ctrl+Enter", ":material/save:"),
}
"""Label, key and icon of what can be done; R and C are the browser page's own."""


def one_by_one(
    reader: Reader, run: RunSummary, arms: Sequence[Arm], asked: Sequence[AskedChange],
    notes: Mapping[str, Note], why_not: str,
) -> None:  # fmt: skip
    """The card that is open, the keys, and how many are read. `why_not`: why nothing may be changed, or ""."""
    rows = {row.id: row for row in reader.examples(run.id)}
    seeds = {arm.owner: arm for arm in arms if arm.index == SEED_ARM}
    items = items_of(arms, asked, notes, person())
    flags = {item.key: flags_of(item.arm, rows, _text(seeds, item.arm.owner)) for item in items}
    if not items:
        st.text(why_not or "Nothing was proposed yet, so there is nothing to read.")
        return
    left = shown(items, _filters(items), flags)
    n_read = sum(item.decision != "unread" for item in items)
    st.progress(n_read / len(items), text=f"{n_read} of {len(items)} read")
    if not left:
        st.text("Nothing is left here. Widen the filter, or go on: everything that was proposed is read.")
        return
    item = _open_one(left)
    _keys_row(run, left, item, why_not)
    with st.container(border=True):
        _card(item, left, seeds, flags[item.key])
        if st.session_state.get(queue_acts.MODE) == ("edit", item.key):
            _edit(run, left, item)
        elif st.session_state.get(queue_acts.MODE) == ("note", item.key):
            _note(run, item, notes)
        elif st.session_state.get(queue_acts.MODE) == ("write", item.key):
            _write(run, item)
        with st.expander("Why, and with what it was made"):
            provenance(reader, run.id, item.arm, rows)
    with st.container(horizontal=True, gap="small"):
        _bulk(run, left, why_not)
    if not why_not:
        with st.expander("Ask for more", icon=":material/auto_awesome:"):
            ask_form(run, item.arm.owner)


def _text(seeds: Mapping[str, Arm], predictor: str) -> str:
    return seeds[predictor].text if predictor in seeds else ""


def _filters(items: Sequence[Item]) -> Filter:
    tips = sorted({str(item.arm.provenance.get("tip") or "none") for item in items})
    names = list(dict.fromkeys(item.arm.owner for item in items))
    authors = {"model": "prompt model", "person": "a person"}
    with st.container(horizontal=True, vertical_alignment="bottom"):
        predictor = st.selectbox("Predictor", [_ALL, *names], key="queue_predictor", width=220)
        author = st.selectbox("Author", [_ALL, *authors], key="queue_author", width=150,
                              format_func=lambda one: authors.get(one, one))  # fmt: skip
        tip = st.selectbox("Tip", [_ALL, *tips], key="queue_tip", width=170,
                           format_func=lambda one: one_line(one, 40).replace("_", " "))  # fmt: skip
        unread = st.toggle("Not read yet", key="queue_unread")
        flagged = st.toggle("Repeats its prompt", key="queue_flagged")

    def part(value: str | None) -> str:
        return "" if value in (None, _ALL) else str(value)

    return Filter(part(predictor), part(author), part(tip), flagged, unread)


def _open_one(left: Sequence[Item]) -> Item:
    at = st.session_state.get(queue_acts.AT)
    found = next((item for item in left if item.key == at), None)
    if found is None:
        first = next_unread(left, None) or left[0].key
        found = next(item for item in left if item.key == first)
        st.session_state[queue_acts.AT] = found.key
    return found


def _keys_row(run: RunSummary, left: Sequence[Item], item: Item, why_not: str) -> None:
    """Every button shows its key."""
    keys = [one.key for one in left]
    place = keys.index(item.key)
    off = bool(why_not)
    decided = item.decision not in ("unread", APPROVED)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        _button("back", queue_acts.go, (keys[place - 1],), off=place == 0)
        _button("next", queue_acts.go, (keys[min(place + 1, len(keys) - 1)],), off=place == len(keys) - 1)
        _button("approve", queue_acts.approve, (run.id, left, [item.key]), primary=item.decision == "unread")
        _button("edit", queue_acts.mode, ("edit", item.key), off=off)
        _button("reject", queue_acts.reject, (run.id, left, [item.key]), off=off or decided)
        _button("note", queue_acts.mode, ("note", item.key))
        _button("write", queue_acts.mode, ("write", item.key), off=off)
        _button("undo", queue_acts.undo, (run.id,), off=not st.session_state.get(queue_acts.DONE))
    if why_not:
        st.caption(why_not)


def _button(
    name: str, does: Callable[..., None], args: tuple[Any, ...], *, off: bool = False, primary: bool = False
) -> None:
    label, key, icon = _ACTS[name]
    st.button(label, key=f"queue_{name}", icon=icon, shortcut=key, disabled=off, on_click=does, args=args,
              type="primary" if primary else "secondary")  # fmt: skip


def _card(item: Item, left: Sequence[Item], seeds: Mapping[str, Arm], flags: Sequence[tuple[str, str]]) -> None:
    place = [one.key for one in left].index(item.key) + 1
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.header(f"Instruction {item.arm.index}", anchor=False, width="content")
        line(f"{item.arm.owner} · {place} of {len(left)} · {DECISIONS[item.decision]}", limit=120)
    line(lineage(item.arm), muted=True)
    old = _text(seeds, item.arm.owner)
    st.html(columns_html(old, item.arm.text, ("As it came with the program", "Proposed")))
    for source, passage in flags:
        st.text(f"Repeats {source} word for word: “{one_line(passage, 300)}”")


def _edit(run: RunSummary, left: Sequence[Item], item: Item) -> None:
    text, why = "queue_text", "queue_why"
    st.text_area("Instead of it", item.arm.text, key=f"{text}_{item.key}", height=160)
    st.text_input("Why (kept with it)", key=f"{why}_{item.key}")
    _button("save", queue_acts.save, (run.id, left, item), primary=True)
    focus_on(f"{text}_{item.key}", _stamp())


def _write(run: RunSummary, item: Item) -> None:
    st.text_area(f"A new instruction for {one_line(item.arm.owner, 40)}", key=queue_acts.NEW_TEXT, height=160)
    st.text_input("Why (kept with it)", key=queue_acts.NEW_WHY)
    _button("add", queue_acts.add, (run.id, item), primary=True)
    focus_on(queue_acts.NEW_TEXT, _stamp())


def _stamp() -> str:
    """Another one each time that a form is opened."""
    return f"{st.session_state.get(queue_acts.MODE)} {st.session_state.get(queue_acts.OPENED, 0)}"


def _note(run: RunSummary, item: Item, notes: Mapping[str, Note]) -> None:
    about = f"instruction/{item.arm.owner}/{item.arm.index}"
    kept = notes.get(about)
    st.text_area("A note on it", kept.body if kept else "", key=f"queue_note_{item.key}", height=100)
    _button("keep", queue_acts.keep, (run.id, about, item.key), primary=True)
    focus_on(f"queue_note_{item.key}", _stamp())


def _bulk(run: RunSummary, left: Sequence[Item], why_not: str) -> None:
    """Several at once."""
    labels = {item.key: f"{item.arm.owner} {item.arm.index} · {one_line(item.arm.text, 70)}" for item in left}
    with st.popover("Several at once", icon=":material/checklist:"):
        chosen = st.multiselect("Instructions", list(labels), key="queue_many", format_func=labels.__getitem__)
        st.button("Approve them", key="queue_many_approve", disabled=not chosen, on_click=queue_acts.approve,
                  args=(run.id, left, chosen))  # fmt: skip
        st.button("Reject them", key="queue_many_reject", disabled=not chosen or bool(why_not),
                  on_click=queue_acts.reject, args=(run.id, left, chosen))  # fmt: skip
