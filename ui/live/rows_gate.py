"""The gate before weights are tuned: a person reads the rows, leaves some out, answers some anew, and says go."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import ChangeKind, Json, Tuning
from mipro_studio.storage import AskedChange, RunSummary
from mipro_studio.ui.arms.review_forms import send
from mipro_studio.ui.text.format import clean, one_line
from mipro_studio.ui.text.long_text import long_text

__all__ = ["change_of", "rows_gate"]

_KEPT, _ANSWER = "train on it", "answer"


def rows_gate(run: RunSummary, tuning: Tuning, asked: Sequence[AskedChange]) -> None:
    """The rows of a tuning that waits for a person. While a change of any waits, they can be read only."""
    waits = any(one.settled is None and one.change.kind is ChangeKind.ROWS for one in asked)
    number = tuning.number
    key = f"rows_{number}_{len(asked)}"  # anew after each change: places count from the rows as they stand
    column = st.column_config
    st.data_editor(
        [_row(place, row) for place, row in enumerate(tuning.rows)],
        key=key,
        hide_index=True,
        disabled=True if waits else ("row", "predictor", "asked", "from"),
        column_config={
            _KEPT: column.CheckboxColumn(width=90),
            "row": column.NumberColumn(width=60),
            "asked": column.TextColumn(width="large"),
            _ANSWER: column.TextColumn(width="medium", required=True),
        },
    )
    if not waits:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button(
                "Keep these changes", key=f"rows_keep_{number}", icon=":material/save:", on_click=_keep,
                args=(run.id, number, key), help="Rows without a tick are left out; answers are learned as written.",
            )  # fmt: skip
            st.caption("Untick a row to leave it out, or write the answer that is to be learned.", width="content")
    place = st.number_input("Read a row whole", 0, len(tuning.rows) - 1, 0, key=f"rows_read_{number}", width=200)
    for turn, message in enumerate(tuning.rows[int(place)]["messages"]):
        st.caption(str(message["role"]))
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


def _keep(run_id: str, number: int, key: str) -> None:
    edited = (st.session_state.get(key) or {}).get("edited_rows") or {}
    send(run_id, ChangeKind.ROWS, dict(change_of(number, {int(place): cells for place, cells in edited.items()})))


def _row(place: int, row: Json) -> dict[str, Any]:
    last = row["messages"][-1]["content"] if row["messages"] else ""
    return {
        _KEPT: True,
        "row": place,
        "predictor": one_line(row["predictor"]),
        "asked": one_line(str(last), 500),
        _ANSWER: clean(row["answer"]),
        "from": "labels" if row.get("labelled") else "a trace",
    }
