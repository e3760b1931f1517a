"""The examples of a comparison as a table: what each candidate answered, the largest change first."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.analysis.comparison import Change, ComparedExample
from mipro_studio.optimizer_core.types import Example, ExampleScore, Json
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.candidate_names import names_of
from mipro_studio.ui.compare.compare_data import CHANGES, Comparison, preview, to_csv, to_json
from mipro_studio.ui.compare.compare_pickers import Picked
from mipro_studio.ui.page.frame import query, tell_url
from mipro_studio.ui.text.format import clean, count, one_line, score

__all__ = ["MARKS", "examples_table", "matching"]

MARKS = {Change.IMPROVED: "▲ better", Change.REGRESSED: "▼ worse", Change.SAME: "= same",
         Change.NOT_EVALUATED: "○ not both"}  # fmt: skip
_ROW_PX, _ROWS = 35, 12
Answers = Sequence[Mapping[str, Json]]
"""Example id -> what a candidate answered, for the two compared and those beside them."""


def examples_table(reader: Reader, found: Comparison, picked: Picked) -> ComparedExample | None:
    """The examples by kind of change, the largest first; the row chosen, which the URL keeps."""
    names = names_of(reader, picked.first[0])
    sides = [*(name or "" for _, name in (picked.first, picked.second)), *picked.more]
    runs = [picked.first[0], picked.second[0], *(picked.first[0] for _ in picked.more)]
    said = [reader.answers(run, name, picked.split) if name else {} for run, name in zip(runs, sides, strict=True)]
    titles = [*picked.words, *(names.of(name) for name in picked.more)]
    shown, sought = _controls(found, sides, said, picked)
    rows = [row for row in found.rows if shown in (None, "all", row.change.value)]
    rows = [row for row in rows if matching(row, found.examples.get(row.example), said, sought)]
    if not rows:
        st.caption("No example here. Choose another kind above, or clear the search.")
        return _named(found)
    columns = _columns(titles)
    event = st.dataframe(
        [_row(row, found.examples.get(row.example), said, list(columns)) for row in rows],
        hide_index=True,
        key=f"compare_rows_{picked}_{shown}_{len(rows)}",
        on_select="rerun",
        selection_mode="single-row",
        row_height=_ROW_PX,
        height="content" if len(rows) <= _ROWS else _ROW_PX * (1 + _ROWS),
        alt="Examples with what each candidate answered, the largest change of score first",
        column_config={
            "change": st.column_config.TextColumn(width=88),
            **{name: st.column_config.TextColumn(title, width=max(104, 340 // len(columns)), help="Score and answer")
               for name, title in columns.items()},
            "wanted": st.column_config.TextColumn(width=150),
            "inputs": st.column_config.TextColumn(width=300),
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


def _controls(found: Comparison, sides: Sequence[str], said: Answers, picked: Picked) -> tuple[str | None, str]:
    """Which kind of change, what is sought, and the files."""
    words = {"all": f"All ({count(len(found.rows))})"}
    words |= {change.value: f"{word} ({count(found.counts[change])})" for change, word in CHANGES.items()}
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        asked = query("show")
        st.session_state.setdefault("compare_show", asked if asked in words else "all")
        shown = st.segmented_control(
            "Examples", list(words), key="compare_show", format_func=words.__getitem__, required=True,
            label_visibility="collapsed",
        )  # fmt: skip
        sought = st.text_input(
            "Find in inputs, labels and answers", key="compare_find", width=270, label_visibility="collapsed",
            placeholder="Find, or /a regular expression/",
        )  # fmt: skip
        for ending, made in (("csv", lambda: to_csv(found, (said[0], said[1]))),
                             ("json", lambda: to_json(found, sides, said))):  # fmt: skip
            st.download_button(
                ending.upper(), lambda made=made: made().encode("utf-8", "replace"),
                f"compare-{picked.first[0]}.{ending}", f"text/{ending}", key=f"compare_{ending}",
                icon=":material/download:", on_click="ignore", help="Scores and whole answers",
            )  # fmt: skip
    tell_url(show=None if shown in (None, "all") else shown)
    return shown, sought


def _named(found: Comparison) -> ComparedExample | None:
    asked = query("example")
    return next((row for row in found.rows if row.example == asked), None) if asked else None


def matching(row: ComparedExample, example: Example | None, said: Answers, sought: str) -> bool:
    """Whether `sought` is in inputs, labels or answers; between slashes it is a regular expression.

    One that cannot be read as such finds nothing.
    """
    if not sought:
        return True
    given = [*example.inputs.values(), *example.labels.values()] if example else []
    values = [str(value) for value in (*given, *(v for side in said for v in side.get(row.example, {}).values()))]
    if len(sought) > 2 and sought[0] == sought[-1] == "/":
        try:
            wanted = re.compile(sought[1:-1], re.IGNORECASE)
        except re.error:
            return False
        return any(wanted.search(value[:_LONGEST]) for value in values)
    return any(sought.casefold() in value.casefold() for value in values)


_LONGEST = 4_000


def _row(row: ComparedExample, example: Example | None, said: Answers, columns: Sequence[str]) -> dict[str, Any]:
    scored = [row.before, row.after]
    cells = {}
    for place, (name, answers) in enumerate(zip(columns, said, strict=True)):
        answer = " · ".join(one_line(value, 80) for value in answers.get(row.example, {}).values())
        told = _score_word(scored[place]) if place < len(scored) else ""
        cells[name] = f"{told}  {answer}".strip()
    labels = " · ".join(one_line(value, 60) for value in example.labels.values()) if example else ""
    # The input stands last: it is what a narrow page may cut.
    return {"change": MARKS[row.change], "wanted": labels, **cells, "inputs": preview(example)}


def _score_word(side: ExampleScore | None) -> str:
    if side is None:
        return "not asked"
    return f"error: {side.error}" if side.error is not None else score(side.score)
