"""The examples of a comparison as a table: what each candidate answered, the largest change first."""

import re
from collections.abc import Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.analysis.comparison import Change, ComparedExample
from mipro_studio.optimizer_core.types import Example, ExampleScore
from mipro_studio.storage import Reader
from mipro_studio.ui.compare.compare_data import CHANGES, Answers, Comparison, answers, preview
from mipro_studio.ui.compare.compare_files import to_csv, to_json
from mipro_studio.ui.compare.compare_pickers import Picked
from mipro_studio.ui.page.frame import query, tell_url
from mipro_studio.ui.text.format import clean, count, one_line, score
from mipro_studio.ui.text.labels import wanted
from mipro_studio.ui.text.wrapped import WRAPPED_PX, is_long

__all__ = ["MARKS", "examples_table", "sought_in"]

MARKS = {Change.IMPROVED: "▲ better", Change.REGRESSED: "▼ worse", Change.SAME: "= same",
         Change.NOT_EVALUATED: "○ not both"}  # fmt: skip
_ROW_PX, _ROWS, _MOST_PX, _FEW = 35, 12, 600, 3
_INPUT = 84
"""Characters that three lines of its column hold on a page of 1024."""
ANYWHERE = "anywhere"


def examples_table(reader: Reader, found: Comparison, picked: Picked) -> ComparedExample | None:
    """The examples by kind of change, the largest first; the row chosen, which the URL keeps."""
    said = answers(reader, picked.sides, picked.split)
    shown, sought, place = _controls(found, said, picked)
    rows = [row for row in found.rows if shown in (None, "all", row.change.value)]
    if sought:
        rows = [row for row in rows if _holds(sought, _texts(row, found.examples.get(row.example), said)[place])]
    if not rows:
        st.caption("No example here. Choose another kind above, or clear the search.")
        return _named(found)
    columns = _columns(picked.titles)
    listed = [_row(found, row, said, list(columns)) for row in rows]
    # Beside more than three answers the inputs are hardly seen.
    texts = (*columns, "wanted", *(("inputs",) if len(columns) <= _FEW else ()))
    row_px = WRAPPED_PX if any(is_long(row[name]) for row in listed for name in texts) else _ROW_PX
    event = st.dataframe(
        listed,
        hide_index=True,
        key=f"compare_rows_{picked}_{shown}_{len(rows)}",
        on_select="rerun",
        selection_mode="single-row",
        row_height=row_px,
        height="content" if len(rows) <= _ROWS else min(_MOST_PX, row_px * (1 + _ROWS)),
        alt="Examples with what each candidate answered, the largest change of score first",
        column_config={
            "change": st.column_config.TextColumn(width=80),
            **{name: st.column_config.TextColumn(title, width=max(104, 272 // len(columns)), help="Score and answer")
               for name, title in columns.items()},
            "wanted": st.column_config.TextColumn(width=96),
            "inputs": st.column_config.TextColumn(width=220),
        },
    )  # fmt: skip
    chosen = event.selection.get("rows") or []
    if chosen and chosen[0] < len(rows):
        tell_url(example=rows[chosen[0]].example)
        row: ComparedExample = rows[chosen[0]]
        return row
    st.caption("Choose a row to see the whole answers and every step.")
    return _named(found)


def _columns(titles: Sequence[str]) -> dict[str, str]:
    """Column -> title; the title is foreign text that a table shows as it is."""
    return {f"answer {place}": one_line(clean(title), 60) for place, title in enumerate(titles)}


def _controls(found: Comparison, said: Answers, picked: Picked) -> tuple[str | None, re.Pattern[str] | None, str]:
    """Which kind of change, what is sought and in which column, and the files."""
    words = {"all": f"All ({count(len(found.rows))})"}
    words |= {change.value: f"{word} ({count(found.counts[change])})" for change, word in CHANGES.items()}
    places = {ANYWHERE: "in all columns", "inputs": "in the inputs", "wanted": "in what is wanted"}
    places |= {name: f"in the answers of {title}" for name, title in _columns(picked.titles).items()}
    sides = [name or "" for _, name in picked.sides]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        asked = query("show")
        st.session_state.setdefault("compare_show", asked if asked in words else "all")
        shown = st.segmented_control(
            "Examples", list(words), key="compare_show", format_func=words.__getitem__, required=True,
            label_visibility="collapsed",
        )  # fmt: skip
        st.space("stretch")
        for ending, made in (("csv", lambda: to_csv(found, said)), ("json", lambda: to_json(found, sides, said))):
            st.download_button(
                ending.upper(), lambda made=made: made().encode("utf-8", "replace"),
                f"compare-{picked.first[0]}.{ending}", f"text/{ending}", key=f"compare_{ending}",
                icon=":material/download:", on_click="ignore", help="Scores and whole answers",
            )  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        sought = st.text_input(
            "Find in inputs, labels and answers", key="compare_find", width=320, label_visibility="collapsed",
            placeholder="Find, or /a regular expression/",
        )  # fmt: skip
        place = st.selectbox(
            "Where to find it", list(places), key="compare_where", width=280, label_visibility="collapsed",
            format_func=lambda name: places.get(name, name),
        )  # fmt: skip
    tell_url(show=None if shown in (None, "all") else shown)
    pattern, refused = sought_in(sought)
    if refused:
        st.text(refused)
    return shown, pattern, place if place in places else ANYWHERE


def _named(found: Comparison) -> ComparedExample | None:
    asked = query("example")
    return next((row for row in found.rows if row.example == asked), None) if asked else None


def sought_in(sought: str) -> tuple[re.Pattern[str] | None, str]:
    """(what to look for, why it cannot be): words as they stand, or between slashes a regular expression."""
    if not sought:
        return None, ""
    if len(sought) > 2 and sought[0] == sought[-1] == "/":
        try:
            return re.compile(sought[1:-1], re.IGNORECASE), ""
        except re.error as error:
            return None, f"That is no regular expression: {error}. All examples are shown."
    return re.compile(re.escape(sought), re.IGNORECASE), ""


def _holds(sought: re.Pattern[str], texts: Sequence[str]) -> bool:
    return any(sought.search(text[:_LONGEST]) for text in texts)


_LONGEST = 20_000


def _texts(row: ComparedExample, example: Example | None, said: Answers) -> dict[str, list[str]]:
    """Column -> the whole texts that may be found in it."""
    found = {
        "inputs": [str(value) for value in example.inputs.values()] if example else [],
        "wanted": [str(value) for value in example.labels.values()] if example else [],
        **{
            f"answer {i}": [str(value) for value in side.get(row.example, {}).values()] for i, side in enumerate(said)
        },
    }
    return {**found, ANYWHERE: [text for texts in found.values() for text in texts]}


def _row(found: Comparison, row: ComparedExample, said: Answers, columns: Sequence[str]) -> dict[str, Any]:
    example, cells = found.examples.get(row.example), {}
    for name, side, answered in zip(columns, found.sides(row), said, strict=True):
        answer = " · ".join(one_line(value, 160) for value in answered.get(row.example, {}).values())
        cells[name] = f"{_score_word(side)}  {answer}".strip()
    asked = wanted(example.labels, {name for side in said for name in side.get(row.example, {})}) if example else {}
    labels = " · ".join(one_line(value, 60) for value in asked.values())
    # The input stands last: it is what a narrow page may cut.
    return {"change": MARKS[row.change], "wanted": labels, **cells, "inputs": preview(example, _INPUT)}


def _score_word(side: ExampleScore | None) -> str:
    if side is None:
        return "not asked"
    return f"error: {side.error}" if side.error is not None else score(side.score)
