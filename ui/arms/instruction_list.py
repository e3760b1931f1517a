"""All instructions of one predictor: a table to compare, or cards to read."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import Arm, Author
from mipro_studio.storage import AskedChange
from mipro_studio.ui.arms.arm_scores import ArmScore
from mipro_studio.ui.arms.arm_words import author_words, standing
from mipro_studio.ui.arms.queue_acts import AT
from mipro_studio.ui.text.format import UNKNOWN, one_line, score
from mipro_studio.ui.text.long_text import long_text
from mipro_studio.ui.text.wrapped import WRAPPED_PX

__all__ = ["ALL", "QUEUE", "TABLE", "VIEW", "VIEWS", "Flags", "cards", "table"]

VIEW = "ins_view"
QUEUE, TABLE, ALL = VIEWS = ("One by one", "Table", "Read all")

_ROWS = 10
MOST_CARDS = 40
Flags = Mapping[int, Sequence[tuple[str, str]]]
"""By arm: (what it repeats, the passage)."""

_COLOURS: Mapping[Author, Any] = {Author.SEED: "gray", Author.MODEL: "blue", Author.PERSON: "violet"}


def table(
    arms: Sequence[Arm],
    scores: Mapping[int, ArmScore],
    asked: Sequence[AskedChange],
    flags: Flags,
    won: int | None,
) -> None:
    """One row an instruction; a click on a row opens it. `won` is the winner's."""
    rows = [
        {
            **_row(arm, scores.get(arm.index), flags.get(arm.index, ())),
            "standing": standing(arm, asked, won=arm.index == won, tried=_tried(scores, arm)),
        }
        for arm in arms
    ]
    scored = ["mean", "n"] if any(row["n"] for row in rows) else []
    flagged = ["look at"] if any(row["look at"] for row in rows) else []
    st.dataframe(
        rows,
        hide_index=True,
        key="ins_table",
        on_select=_open,
        selection_mode="single-cell",
        column_order=["no.", "by", "standing", *scored, *flagged, "instruction"],
        row_height=WRAPPED_PX,
        height="content" if len(arms) <= _ROWS else WRAPPED_PX * _ROWS,
        alt="Instructions of this predictor",
        # Together as wide as a page of 1024 is, so that no text is cut there; wider pages add to all of them.
        column_config={
            "no.": st.column_config.NumberColumn(width=40),
            "by": st.column_config.TextColumn(width=98),
            "standing": st.column_config.TextColumn(width=108),
            "mean": st.column_config.TextColumn(width=52, help="Over the examples that candidates with it ran on"),
            "n": st.column_config.NumberColumn(width=40, help="Validation examples behind the mean"),
            "look at": st.column_config.TextColumn(width=104),
            "instruction": st.column_config.TextColumn(width=270),
        },
    )
    st.session_state["ins_rows"] = [arm.index for arm in arms]
    shared = " A mean comes from candidates that differ in other parts too." if scored else ""
    st.caption(f"Click a row to open it below.{shared}")


def _tried(scores: Mapping[int, ArmScore], arm: Arm) -> int:
    scored = scores.get(arm.index)
    return scored.n_candidates if scored is not None else 0


def _open() -> None:
    """Show the instruction of the row that was clicked."""
    event: Any = st.session_state["ins_table"]
    rows = st.session_state.get("ins_rows", [])
    cells = event["selection"].get("cells") or []
    if cells and cells[0][0] < len(rows):
        st.session_state["pick_arm"] = rows[cells[0][0]]
        st.query_params["arm"] = str(rows[cells[0][0]])


def _row(arm: Arm, scored: ArmScore | None, flags: Sequence[tuple[str, str]]) -> dict[str, Any]:
    estimate = scored.estimate if scored else None
    return {
        "no.": arm.index,
        "by": author_words(arm),
        "instruction": one_line(arm.text, 300) or UNKNOWN,
        "mean": score(scored.mean) if scored and estimate else UNKNOWN,
        "n": estimate["n"] if estimate else 0,
        "look at": ", ".join(f"repeats {name}" for name, _ in flags),
    }


def cards(
    arms: Sequence[Arm],
    scores: Mapping[int, ArmScore],
    asked: Sequence[AskedChange],
    flags: Flags,
    won: int | None,
) -> None:
    """Whole texts side by side. `won` is the winner's."""
    with st.grid(2, min_column_width=420):
        for arm in arms[:MOST_CARDS]:
            with st.container(border=True, height="stretch", gap="small"):
                with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                    st.badge(f"{arm.index}", color=_COLOURS[arm.author])
                    stands = standing(arm, asked, won=arm.index == won, tried=_tried(scores, arm))
                    st.text(f"by {author_words(arm)} · {stands}", width="content")
                long_text(arm.text, f"ins_card_{arm.index}", clip=900, name=f"instruction-{arm.index}")
                scored = scores.get(arm.index)
                st.text(f"Validation {scored.words}" if scored else "Not tried yet.")
                for name, passage in flags.get(arm.index, ()):
                    st.text(f"Repeats {name}: “{one_line(passage, 160)}”")
                st.button("Open", key=f"ins_open_{arm.index}", type="tertiary", on_click=_choose, args=(arm,))
    if len(arms) > MOST_CARDS:
        st.caption(f"The first {MOST_CARDS} of {len(arms)}. The table shows all.")


def _choose(arm: Arm) -> None:
    """Open it where it is seen: as a card of its own; what came with the program has none and opens in the table."""
    st.session_state["pick_arm"] = arm.index
    st.query_params["arm"] = str(arm.index)
    if arm.author is not Author.SEED:
        st.session_state[AT] = (arm.owner, arm.index)
    st.session_state[VIEW] = TABLE if arm.author is Author.SEED else QUEUE
