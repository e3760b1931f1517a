"""The review queue: one instruction at a time, old and new beside each other, decided by keys."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.control import review
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import SEED_ARM, Arm, ChangeKind
from mipro_studio.storage import AskedChange, Note, Reader, RunSummary, default_store
from mipro_studio.ui.arms.arm_words import lineage
from mipro_studio.ui.arms.provenance import flags_of, provenance
from mipro_studio.ui.arms.queue_items import (
    APPROVED,
    DECISIONS,
    Filter,
    Item,
    items_of,
    next_unread,
    read_about,
    shown,
)
from mipro_studio.ui.arms.review_forms import add_forms, refuse
from mipro_studio.ui.text.foreign_text import line
from mipro_studio.ui.text.format import one_line
from mipro_studio.ui.text.sentences import columns_html

__all__ = ["one_by_one"]

_AT, _DONE, _MODE = "queue_at", "queue_done", "queue_mode"
_ALL = "all"
_ACTS: Mapping[str, tuple[str, str, str]] = {
    "back": ("Back", "Left", ":material/arrow_back:"),
    "next": ("Next", "Right", ":material/arrow_forward:"),
    "approve": ("Approve", "A", ":material/check:"),
    "edit": ("Edit", "E", ":material/edit:"),
    "reject": ("Reject", "X", ":material/block:"),
    "note": ("Note", "N", ":material/sticky_note_2:"),
    "undo": ("Undo", "U", ":material/undo:"),
    "save": ("Save instead of it", "Ctrl+Enter", ":material/save:"),
    "keep": ("Keep the note", "Ctrl+Enter", ":material/save:"),
}
"""Label, key and icon of what can be done; R and C are the browser page's own."""
Key = tuple[str, int]


def one_by_one(
    reader: Reader, run: RunSummary, arms: Sequence[Arm], asked: Sequence[AskedChange],
    notes: Mapping[str, Note], why_not: str,
) -> None:  # fmt: skip
    """The card that is open, the keys, and how many are read. `why_not`: why nothing may be changed, or ""."""
    rows = {row.id: row for row in reader.examples(run.id)}
    seeds = {arm.owner: arm for arm in arms if arm.index == SEED_ARM}
    items = items_of(arms, asked, notes)
    flags = {item.key: flags_of(item.arm, rows, _text(seeds, item.arm.owner)) for item in items}
    left = shown(items, _filters(items), flags)
    n_read = sum(item.decision != "unread" for item in items)
    st.progress(n_read / len(items) if items else 1.0, text=f"{n_read} of {len(items)} read")
    if not left:
        st.text("Nothing is left here. Widen the filter, or go on: everything that was proposed is read.")
        return
    item = _open_one(left)
    _keys_row(run, left, item, why_not)
    with st.container(border=True):
        _card(item, left, seeds, flags[item.key])
        if st.session_state.get(_MODE) == ("edit", item.key):
            _edit(run, left, item)
        elif st.session_state.get(_MODE) == ("note", item.key):
            _note(run, item, notes)
        with st.expander("Why, and with what it was made"):
            provenance(reader, run.id, item.arm, rows)
    with st.container(horizontal=True, gap="small"):
        _bulk(run, left, why_not)
    with st.expander("Write your own, or ask for more", icon=":material/add:"):
        add_forms(run, item.arm.owner, why_not)


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
    at = st.session_state.get(_AT)
    found = next((item for item in left if item.key == at), None)
    if found is None:
        first = next_unread(left, None) or left[0].key
        found = next(item for item in left if item.key == first)
        st.session_state[_AT] = found.key
    return found


def _keys_row(run: RunSummary, left: Sequence[Item], item: Item, why_not: str) -> None:
    """Every button shows its key."""
    keys = [one.key for one in left]
    place = keys.index(item.key)
    off = bool(why_not)
    decided = item.decision not in ("unread", APPROVED)
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        _button("back", _go, (keys[place - 1],), off=place == 0)
        _button("next", _go, (keys[min(place + 1, len(keys) - 1)],), off=place == len(keys) - 1)
        _button("approve", _approve, (run.id, left, [item.key]), primary=item.decision == "unread")
        _button("edit", _mode, ("edit", item.key), off=off)
        _button("reject", _reject, (run.id, left, [item.key]), off=off or decided)
        _button("note", _mode, ("note", item.key))
        _button("undo", _undo, (run.id,), off=not st.session_state.get(_DONE))
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
    _button("save", _save, (run.id, left, item), primary=True)


def _note(run: RunSummary, item: Item, notes: Mapping[str, Note]) -> None:
    about = f"instruction/{item.arm.owner}/{item.arm.index}"
    kept = notes.get(about)
    st.text_area("A note on it", kept.body if kept else "", key=f"queue_note_{item.key}", height=100)
    _button("keep", _keep, (run.id, about, item.key), primary=True)


def _bulk(run: RunSummary, left: Sequence[Item], why_not: str) -> None:
    """Several at once."""
    labels = {item.key: f"{item.arm.owner} {item.arm.index} · {one_line(item.arm.text, 70)}" for item in left}
    with st.popover("Several at once", icon=":material/checklist:"):
        chosen = st.multiselect("Instructions", list(labels), key="queue_many", format_func=labels.__getitem__)
        st.button("Approve them", key="queue_many_approve", disabled=not chosen, on_click=_approve,
                  args=(run.id, left, chosen))  # fmt: skip
        st.button("Reject them", key="queue_many_reject", disabled=not chosen or bool(why_not), on_click=_reject,
                  args=(run.id, left, chosen))  # fmt: skip


def _go(key: Key) -> None:
    st.session_state[_AT] = key
    st.session_state[_MODE] = None


def _mode(name: str, key: Key) -> None:
    now = st.session_state.get(_MODE)
    st.session_state[_MODE] = None if now == (name, key) else (name, key)


def _onwards(left: Sequence[Item], decided: Sequence[Key], done: Callable[[], None]) -> None:
    """Remember how to undo it, and open the next that is not read."""
    st.session_state[_DONE] = [*(st.session_state.get(_DONE) or []), (decided[0], done)]
    rest = [item if item.key not in decided else Item(item.arm, APPROVED) for item in left]
    _go(next_unread(rest, decided[-1]) or decided[-1])


def _approve(run_id: str, left: Sequence[Item], keys: Sequence[Key]) -> None:
    store = default_store()
    try:
        for key in keys:
            review.write_note(store, run_id, read_about(*key), APPROVED)
    except StudioError as error:
        refuse(error)
        return
    _onwards(left, keys, lambda: _forget(run_id, keys))


def _forget(run_id: str, keys: Sequence[Key]) -> None:
    for key in keys:
        review.write_note(default_store(), run_id, read_about(*key), "")


def _reject(run_id: str, left: Sequence[Item], keys: Sequence[Key]) -> None:
    _change(run_id, left, keys, ChangeKind.REJECT, lambda _: {"kind": "instruction", "reason": ""})


def _save(run_id: str, left: Sequence[Item], item: Item) -> None:
    held = st.session_state
    payload = {"text": held[f"queue_text_{item.key}"], "reason": held[f"queue_why_{item.key}"], "keep": False}
    _change(run_id, left, [item.key], ChangeKind.EDIT, lambda _: payload)


def _change(
    run_id: str, left: Sequence[Item], keys: Sequence[Key], kind: ChangeKind,
    payload: Callable[[Key], Mapping[str, Any]],
) -> None:  # fmt: skip
    """Ask for a change of each; those that were asked for before one was refused stay."""
    store = default_store()
    numbers: list[int] = []
    try:
        for predictor, index in keys:
            asked = {"predictor": predictor, "index": index, **payload((predictor, index))}
            numbers.append(review.change(store, run_id, kind, asked))
    except StudioError as error:
        refuse(error)
    if numbers:
        _onwards(left, list(keys[: len(numbers)]), lambda: _withdraw(run_id, numbers))


def _withdraw(run_id: str, numbers: Sequence[int]) -> None:
    for number in numbers:
        review.withdraw(default_store(), run_id, number)


def _keep(run_id: str, about: str, key: Key) -> None:
    try:
        review.write_note(default_store(), run_id, about, st.session_state[f"queue_note_{key}"])
    except StudioError as error:
        refuse(error)
        return
    st.session_state[_MODE] = None


def _undo(run_id: str) -> None:
    """Take the last decision back, and open what it was about."""
    done = st.session_state.get(_DONE) or []
    if not done:
        return
    key, back = done[-1]
    st.session_state[_DONE] = done[:-1]
    try:
        back()
    except StudioError as error:
        refuse(error)
    _go(key)
