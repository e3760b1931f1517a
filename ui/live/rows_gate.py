"""The gate before weights are tuned: a person reads the rows, leaves some out, answers some anew, and says go."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import ChangeKind, Json, Tuning
from mipro_studio.storage import AskedChange, RunSummary
from mipro_studio.ui.arms.review_forms import send
from mipro_studio.ui.page import actions
from mipro_studio.ui.text.format import clean, one_line, plural
from mipro_studio.ui.text.long_text import long_text

__all__ = ["asked_words", "change_of", "rows_gate", "train"]

_KEPT, _ANSWER = "train on it", "answer"
_MARK = re.compile(r"\[\[ ## (\w+) ## \]\]\s*")
NOTHING_YET = "Nothing is changed yet."
_OPEN = "rows_gate_open"
"""Number of a tuning -> (run, key of the table in which its rows can be changed)."""


def rows_gate(run: RunSummary, tuning: Tuning, asked: Sequence[AskedChange]) -> None:
    """The rows of a tuning that waits for a person. While a change of any waits, they can be read only."""
    waits = any(one.settled is None and one.change.kind is ChangeKind.ROWS for one in asked)
    number = tuning.number
    # Anew after each change: places count from the rows as they stand.
    key = f"rows_{run.id}_{number}_{len(asked)}"
    st.session_state.setdefault(_OPEN, {})[number] = (run.id, key)
    column = st.column_config
    st.data_editor(
        [_row(place, row) for place, row in enumerate(tuning.rows)],
        key=key,
        hide_index=True,
        disabled=True if waits else ("row", "predictor", "asked", "from"),
        column_config={
            _KEPT: column.CheckboxColumn(width=90),
            "row": column.NumberColumn(width=60),
            "asked": column.TextColumn(width="medium"),
            _ANSWER: column.TextColumn(width="large", required=True),
        },
    )
    if not waits:
        changed = len(_edited(key))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Keep these changes", key=f"rows_keep_{number}", icon=":material/save:", on_click=_keep_all,
                args=(run.id,), disabled=not changed,
                help="Rows without a tick are left out; answers are learned as written." if changed else NOTHING_YET,
            )  # fmt: skip
            st.caption(
                f"{plural(changed, 'row')} changed and not kept yet; the training begins with what stands here."
                if changed
                else "Untick a row to leave it out, or write the answer that is to be learned.",
                width="content",
            )
    place = st.number_input("Read a row whole", 0, len(tuning.rows) - 1, 0, key=f"rows_read_{number}", width=200)
    row = tuning.rows[int(place)]
    learned = {"role": "the answer that is learned", "content": row["answer"]}
    for turn, message in enumerate([*row["messages"], learned]):
        st.caption(clean(str(message["role"])))
        long_text(clean(str(message["content"])), f"rows_text_{number}_{place}_{turn}", clip=2000)


def change_of(number: int, edited: Mapping[int, Mapping[str, Any]]) -> Json:
    """What a person changed, as `Change` says of the kind rows.

    Args:
        edited: Place -> column -> its new value.
    """
    dropped = [place for place, cells in edited.items() if cells.get(_KEPT) is False]
    kept = {place: cells for place, cells in edited.items() if place not in dropped}
    answers = {str(place): cells[_ANSWER] or "" for place, cells in kept.items() if _ANSWER in cells}
    return {"tuning": number, "drop": dropped, "answers": answers}


def train(run_id: str) -> None:
    """Say go; what was changed and not kept yet is kept first, and a refusal of that is shown instead of going."""
    if _keep_all(run_id):
        actions.ask("approve", run_id)


def _keep_all(run_id: str) -> bool:
    """Ask for what was changed in any table: all of them are drawn anew then. Whether nothing was refused."""
    opened = sorted(st.session_state.get(_OPEN, {}).items())
    changed = [(number, _edited(key)) for number, (owner, key) in opened if owner == run_id]
    return all(send(run_id, ChangeKind.ROWS, dict(change_of(number, edited))) for number, edited in changed if edited)


def _edited(key: str) -> dict[int, Mapping[str, Any]]:
    """Place -> column -> new value, of a table that is open; a row that was ticked again is as it was."""
    edited = (st.session_state.get(key) or {}).get("edited_rows") or {}
    return {int(place): cells for place, cells in edited.items() if cells and cells != {_KEPT: True}}


def asked_words(message: str) -> str:
    """The inputs in a message of an adapter, without its marks and its closing demand."""
    fields, demand, _ = message.rpartition("\n\nRespond with ")
    return _MARK.sub(r"\1: ", fields if demand else message)


def _row(place: int, row: Json) -> dict[str, Any]:
    last = row["messages"][-1]["content"] if row["messages"] else ""
    return {
        _KEPT: True,
        "row": place,
        "predictor": one_line(row["predictor"]),
        "asked": one_line(asked_words(str(last)), 500),
        _ANSWER: clean(row["answer"]),
        "from": "labels" if row.get("labelled") else "a trace",
    }
