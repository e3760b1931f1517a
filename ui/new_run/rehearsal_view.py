"""What came of trying the program on its first rows: scores and answers, or the lines of code to look at."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.ui.page.notices import notice
from mipro_studio.ui.page.uploads import alone
from mipro_studio.ui.text.foreign_text import line, paragraph
from mipro_studio.ui.text.format import clean, count, duration, one_line, plural, score, usd

__all__ = ["refused", "start_anyway", "tried"]

Found = Mapping[str, Any]
LONGEST = 600


def refused(answer: object) -> str:
    """Why the check advises against a start; empty when it does not."""
    refusal = answer.get("refusal") if isinstance(answer, Mapping) else None
    return str(refusal["message"]) if refusal else ""


def start_anyway(config: object, checked: tuple[object, Any] | None, lacking: str = "") -> bool:
    """A button where the check of these very settings advises against a start; whether it was pressed.

    Args:
        lacking: What a person must do first, whatever the check says.
    """
    if checked is None or checked[0] != config or not refused(checked[1]):
        return False
    does = "Starts it although it failed when it was tried. It ends early if (nearly) every row fails."
    words, key, icon = "Start all the same", "nr_anyway", ":material/warning:"
    return bool(st.button(words, key=key, icon=icon, help=lacking or does, disabled=bool(lacking)))


def tried(answer: Found) -> None:
    """The rehearsal of a check."""
    rehearsal = answer.get("rehearsal") or {}
    cells: Sequence[Found] = rehearsal.get("cells") or ()
    if message := refused(answer):
        way_out = alone(str(answer["config"]["program"]), message)
        notice("It failed when it was tried", message, icon=":material/error:", colour="red", hint=way_out)
        if frames := answer["refusal"].get("frames"):
            st.caption("The lines of your own code, the innermost last")
            paragraph("\n".join(map(_frame, frames)))
    elif cells:
        scored = [cell["score"] for cell in cells if cell["score"] is not None]
        if len(scored) == len(cells):
            means = ", ".join(score(one) for one in scored)
            rows = plural(len(cells), "training row")
            st.badge(f"Tried on {rows}: {means}", icon=":material/check:", color="green")
        else:
            what = f"{len(scored)} of {plural(len(cells), 'training row')} scored"
            st.badge(f"Tried: {what}", icon=":material/warning:", color="orange")
    if cells:
        known = {row["id"]: row for row in answer.get("records") or ()}
        with st.expander(f"What it answered · {_spent(cells)}"):
            for number, cell in enumerate(cells):
                _row(cell, known.get(cell["key"]["example"], {}), number)


def _frame(text: str) -> str:
    """A line of code under where it stands; of a library only where."""
    where, _, code = text.partition(": ")
    return where if text.startswith("inside ") or not code else f"{where}\n    {code}"


def _spent(cells: Sequence[Found]) -> str:
    usage = [cell["usage"] for cell in cells]
    prices = [one["cost_usd"] for one in usage]
    cost = "" if None in prices or not sum(prices) else f", {usd(sum(prices))}"
    tokens = sum(one["input_tokens"] + one["output_tokens"] for one in usage)
    seconds = max(cell["seconds_s"] for cell in cells)
    calls = plural(sum(one["calls"] for one in usage), "LM call")
    return f"{calls}, {count(tokens)} tokens{cost}, {duration(seconds)}".replace("$", "\\$")


def _row(cell: Found, row: Found, number: int) -> None:
    if number:
        st.divider()
    failed = str(cell["error"] or "").replace("_", " ")
    known = f"no score: {failed}" if failed else f"score {score(cell['score'])}"
    st.caption(f"Training row {int(row.get('position', number)) + 1} · {known}")
    for name, value in (row.get("inputs") or {}).items():
        line(f"{name}: {one_line(value, LONGEST)}", muted=True)
    for name, value in cell["prediction"].items():
        line(f"answered {one_line(name, 40)}: {one_line(value, LONGEST)}")
    for name, value in (row.get("labels") or {}).items():
        line(f"expected {one_line(name, 40)}: {one_line(value, LONGEST)}", muted=True)
    if cell["feedback"]:
        line(f"The metric says: {one_line(cell['feedback'], LONGEST)}")
    if cell["error_message"]:
        st.text(clean(cell["error_message"]))
