"""The teacher's traces: what became of each, and one of them step by step."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.evaluation.attempts import best_attempts
from mipro_studio.optimizer_core.types import ErrorClass, Event, EventKind, Example, Split
from mipro_studio.storage import CellRow, Reader
from mipro_studio.ui.arms.demo_sets import row_name
from mipro_studio.ui.text.foreign_text import line, paragraph
from mipro_studio.ui.text.format import UNKNOWN, clean, duration, one_line, plural, score
from mipro_studio.ui.text.labels import wanted
from mipro_studio.ui.text.long_text import values
from mipro_studio.ui.text.wrapped import WRAPPED_PX

__all__ = ["KINDS", "Fate", "Seen", "fates", "of_kind", "step_through", "summary", "traces_table"]

KINDS = ("All", "Kept", "Rejected", "Never solved", "Not tried")


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of the teacher's run on one row, as the run recorded it; `reason` is empty while undecided."""

    row: str
    score: float | None
    error: ErrorClass | None
    kept: bool
    sets: tuple[int, ...]
    reason: str
    solved: bool
    tried: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """What the page knows of the teacher's work.

    Attributes:
        threshold: The least score of a demo.
        answered: Fields that the program answers; empty before it has.
    """

    rows: Mapping[str, Example]
    fates: Sequence[Fate]
    threshold: float
    answered: Collection[str] = ()

    @classmethod
    def read(cls, reader: Reader, run_id: str, cells: Sequence[CellRow], threshold: float) -> "Seen":
        rows = {row.id: row for row in reader.examples(run_id, Split.TRAIN)}
        event = reader.latest_event(run_id, EventKind.TRACES)
        limit = float(event.data.get("threshold", threshold)) if event is not None else threshold
        found = fates(best_attempts(cells), event, rows, limit)
        scored = next((fate.row for fate in found if fate.score is not None), None)
        answered = [*reader.teacher_trace(run_id, scored).prediction] if scored is not None else []
        return cls(rows, found, limit, answered)


def fates(cells: Sequence[CellRow], event: Event | None, rows: Mapping[str, Example], threshold: float) -> list[Fate]:
    """Every training row, those the teacher ran on first. Nothing is judged anew: reasons come from the record.

    Args:
        cells: The teacher's, one a row.
        event: The latest event of kind TRACES; None before there is one.
        rows: All training rows by id.
        threshold: The least score of a trace that may become a demo.
    """
    data: Mapping[str, Any] = event.data if event is not None else {}
    recorded = {str(fate["example"]): fate for fate in data.get("traces", ())}
    found = []
    for cell in cells:
        fate = recorded.get(cell.key.example, {})
        found.append(
            Fate(
                cell.key.example,
                cell.score,
                cell.error,
                bool(fate.get("kept")),
                tuple(fate.get("sets", ())),
                _reason(fate, cell, threshold),
                cell.score is not None and cell.score >= threshold,
            )
        )
    tried = {fate.row for fate in found}
    rest = [Fate(row, None, None, False, (), "no set came to it", False, False) for row in rows if row not in tried]
    return found + rest


def _reason(fate: Mapping[str, Any], cell: CellRow, threshold: float) -> str:
    """As recorded, unless a later run of the row did better than what the reason speaks of."""
    was, now = fate.get("score"), cell.score
    if not fate.get("kept") and was is not None and now is not None and was < threshold <= now:
        return "solved during the search"
    return str(fate.get("reason", ""))


def of_kind(kind: str, all_fates: Sequence[Fate]) -> list[Fate]:
    """Those of `all_fates` that the choice `kind` of the page shows, in their order."""
    keep: Mapping[str, Callable[[Fate], bool]] = {
        "Kept": lambda fate: fate.kept,
        "Rejected": lambda fate: fate.tried and not fate.kept and bool(fate.reason),
        "Never solved": lambda fate: fate.tried and not fate.solved,
        "Not tried": lambda fate: not fate.tried,
    }
    belongs: Callable[[Fate], bool] = keep.get(kind, _tried)
    return [fate for fate in all_fates if belongs(fate)]


def _tried(fate: Fate) -> bool:
    return fate.tried


def summary(all_fates: Sequence[Fate], threshold: float) -> str:
    """The traces in one sentence."""
    tried = [fate for fate in all_fates if fate.tried]
    kept = sum(fate.kept for fate in tried)
    failed = sum(not fate.kept and not fate.solved for fate in tried)
    rest = len(tried) - kept - failed
    solved = f", {plural(rest, 'was solved and is', 'were solved and are')} in no set" if rest else ""
    return (
        f"The teacher ran on {len(tried)} of {plural(len(all_fates), 'training row')}: {kept} became demos, "
        f"{failed} scored below {score(threshold)} or failed{solved}."
    )


_WIDTHS = {"row": 236, "metric": 56, "kept": 44, "why": 142, "wanted": 142, "in": 92}
"""Together as wide as a page of 1024 is, so that no column is cut there; wider pages add to all of them."""


def traces_table(chosen: Sequence[Fate], seen: Seen, names: Mapping[int, str]) -> None:
    """One row a trace; `names` are those of the demo sets."""
    if not chosen:
        st.caption("None.")
        return
    listed = [
        {
            "row": row_name(fate.row, seen.rows),
            "wanted": _wanted(seen, fate.row),
            "metric": score(fate.score) if fate.tried else UNKNOWN,
            "kept": "✓" if fate.kept else "✕" if fate.reason and fate.tried else "",
            "in": ", ".join(names.get(index, str(index)) for index in fate.sets),
            "why": one_line(fate.reason, 200) if fate.reason else "not decided yet",
        }
        for fate in chosen
    ]
    st.dataframe(
        listed, hide_index=True, key="tr_traces", alt="Traces of the teacher", row_height=WRAPPED_PX,
        column_order=tuple(_WIDTHS),
        column_config={name: st.column_config.Column(width=width) for name, width in _WIDTHS.items()},
    )  # fmt: skip


def _wanted(seen: Seen, row: str) -> str:
    """The labels that the program answers, which a row's number is not."""
    example = seen.rows.get(row)
    if example is None:
        return UNKNOWN
    asked = wanted(example.labels, seen.answered)
    return " · ".join(one_line(value, 60) for value in asked.values()) or UNKNOWN


def step_through(reader: Reader, run_id: str, row: str, example: Example | None) -> None:
    """One trace, module by module."""
    try:
        cell = reader.teacher_trace(run_id, row)
    except StudioError:
        st.text("The teacher never ran on this row.")
        return
    outcome = f"metric {score(cell.score)}" if cell.error is None else f"no score: {clean(cell.error_message)[:500]}"
    st.text(f"{plural(len(cell.trace), 'call')}, {duration(cell.seconds_s)}, {outcome}")
    left, right = st.columns([3, 2], gap="large")
    with left:
        _steps(cell.trace, row)
    with right:
        st.caption("The row's labels")
        values(dict(example.labels) if example else {}, "tr_labels", clip=800)
        st.caption("What the program answered")
        values(dict(cell.prediction), "tr_prediction", clip=800)
        if cell.feedback:
            st.caption("What the metric said")
            paragraph(cell.feedback)


def _steps(trace: Sequence[Any], row: str) -> None:
    if not trace:
        st.text("It made no call that was recorded.")
        return
    key = "tr_step"
    if st.session_state.get("tr_step_of") != row or not 0 <= st.session_state.get(key, 0) < len(trace):
        st.session_state["tr_step_of"], st.session_state[key] = row, 0
    at = int(st.session_state[key])
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for label, icon, by, off in (
            ("Back", ":material/chevron_left:", -1, at == 0),
            ("Next", ":material/chevron_right:", 1, at == len(trace) - 1),
        ):
            st.button(label, key=f"tr_{label.lower()}", icon=icon, disabled=off, on_click=_move, args=(by,))
        st.caption(f"Call {at + 1} of {len(trace)}", width="content")
    line(trace[at].predictor, bold=True, limit=120)
    st.caption("Inputs")
    values(dict(trace[at].inputs), "tr_inputs", clip=1500)
    st.caption("Outputs")
    values(dict(trace[at].outputs), "tr_outputs", clip=1500)
    if trace[at].feedback:
        st.caption("What the metric said about this call")
        paragraph(trace[at].feedback)


def _move(by: int) -> None:
    st.session_state["tr_step"] += by
