"""What can be done with the cards of the review queue: callbacks of its buttons and keys, each with its way back."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.control import review
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import ChangeKind
from mipro_studio.storage import default_store
from mipro_studio.ui.arms.queue_items import APPROVED, Item, next_unread, read_about
from mipro_studio.ui.arms.review_forms import refuse
from mipro_studio.ui.page.person import person

__all__ = [
    "AT",
    "DONE",
    "MODE",
    "NEW_TEXT",
    "NEW_WHY",
    "OPENED",
    "Key",
    "add",
    "approve",
    "go",
    "keep",
    "mode",
    "reject",
    "save",
    "undo",
]

AT, DONE, MODE, OPENED = "queue_at", "queue_done", "queue_mode", "queue_opened"
NEW_TEXT, NEW_WHY = "queue_new_text", "queue_new_why"
"""Keys of the session: the open card, the ways back, what is open on the card and how often, the new one's fields."""
Key = tuple[str, int]
"""(predictor, index) of an instruction."""


def go(key: Key) -> None:
    st.session_state[AT] = key
    st.session_state[MODE] = None


def mode(name: str, key: Key) -> None:
    now = st.session_state.get(MODE)
    st.session_state[OPENED] = st.session_state.get(OPENED, 0) + 1
    st.session_state[MODE] = None if now == (name, key) else (name, key)


def _onwards(left: Sequence[Item], decided: Sequence[Key], done: Callable[[], None]) -> None:
    """Remember how to undo it, and open the next that is not read."""
    st.session_state[DONE] = [*(st.session_state.get(DONE) or []), (decided[0], done)]
    rest = [item if item.key not in decided else Item(item.arm, APPROVED) for item in left]
    go(next_unread(rest, decided[-1]) or decided[-1])


def approve(run_id: str, left: Sequence[Item], keys: Sequence[Key]) -> None:
    """Note of every arm of `keys` that a person has read and approved it, and go on to the next in `left`."""
    store = default_store()
    try:
        for key in keys:
            review.write_note(store, run_id, read_about(person(), *key), APPROVED)
    except StudioError as error:
        refuse(error)
        return
    _onwards(left, keys, lambda: _forget(run_id, keys))


def _forget(run_id: str, keys: Sequence[Key]) -> None:
    for key in keys:
        review.write_note(default_store(), run_id, read_about(person(), *key), "")


def reject(run_id: str, left: Sequence[Item], keys: Sequence[Key]) -> None:
    _change(run_id, left, keys, ChangeKind.REJECT, lambda _: {"kind": "instruction", "reason": ""})


def save(run_id: str, left: Sequence[Item], item: Item) -> None:
    held = st.session_state
    payload = {"text": held[f"queue_text_{item.key}"], "reason": held[f"queue_why_{item.key}"], "keep": False}
    _change(run_id, left, [item.key], ChangeKind.EDIT, lambda _: payload)


def add(run_id: str, item: Item) -> None:
    """Ask for a person's own instruction; the card stays open."""
    held = st.session_state
    payload = {"predictor": item.arm.owner, "text": held[NEW_TEXT], "reason": held[NEW_WHY]}
    try:
        number = review.change(default_store(), run_id, ChangeKind.WRITE, payload)
    except StudioError as error:
        refuse(error)
        return
    held[NEW_TEXT] = held[NEW_WHY] = ""
    held[DONE] = [*(held.get(DONE) or []), (item.key, lambda: _withdraw(run_id, [number]))]
    held[MODE] = None


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


def keep(run_id: str, about: str, key: Key) -> None:
    try:
        review.write_note(default_store(), run_id, about, st.session_state[f"queue_note_{key}"])
    except StudioError as error:
        refuse(error)
        return
    st.session_state[MODE] = None


def undo(run_id: str) -> None:
    """Take the last decision back, and open what it was about."""
    done = st.session_state.get(DONE) or []
    if not done:
        return
    key, back = done[-1]
    st.session_state[DONE] = done[:-1]
    try:
        back()
    except StudioError as error:
        refuse(error)
    go(key)
