"""The compare page below its pickers: four numbers, the examples, one example step by step, the texts."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.analysis.comparison import ComparedExample
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.parameters.registry import KINDS, OF_THE_PROGRAM, title
from mipro_studio.optimizer_core.types import (
    DEMOS,
    Arm,
    Cell,
    CellKey,
    Example,
    TraceStep,
)
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.arm_words import lineage
from mipro_studio.ui.arms.candidate_names import BASELINE, parts_of
from mipro_studio.ui.compare.compare_data import LEADER, WINNER, Comparison, Means, against_first, in_words
from mipro_studio.ui.compare.compare_pickers import Picked
from mipro_studio.ui.compare.diff_view import show_demo_diff
from mipro_studio.ui.compare.examples_table import MARKS
from mipro_studio.ui.text.foreign_text import line, paragraph
from mipro_studio.ui.text.format import (
    UNKNOWN,
    clean,
    cost_of,
    count,
    delta,
    delta_range,
    duration,
    one_line,
    plural,
    score,
    tokens_of,
    usd,
)
from mipro_studio.ui.text.sentences import columns_html
from mipro_studio.ui.text.wrapped import WRAPPED_PX

__all__ = ["all_of_them", "example_detail", "four_numbers", "texts"]

_WIDTHS = {"candidate": 176, "score": 52, "difference": 76, "90 %": 120, "won, lost, tied": 104, "tokens": 58,
           "cost": 62, "seconds": 62}  # fmt: skip
"""Together as wide as a page of 1024 is, so that no column is cut there; wider pages add to all of them."""
_SIDE_PX = 260
"""The narrowest column of a candidate; more of them than fit go on below."""


def four_numbers(found: Comparison, picked: Picked) -> None:
    """Score, cost, tokens and latency, each from the first candidate to the second, and the verdict in words.

    Only words where no example was scored for both.
    """
    first, second, pair = found.before, found.after, found.paired
    if not pair["n"]:
        st.text(clean(in_words(pair)))
        return
    n_both = sum(row.before is not None and row.after is not None for row in found.rows)
    with st.grid(2, min_column_width=430):
        with st.grid(2, min_column_width=180):
            low, high = pair.get("low"), pair.get("high")
            spread = f"{delta_range(low, high)} ({pair['level'] * 100:.0f} %), " if pair["n"] > 1 else ""
            won = f"{pair['won']} won, {pair['lost']} lost, {pair['tied']} tied"
            _card("Score", score(second.score), f"from {score(first.score)}", f"n = {pair['n']} scored by both")
            _card("Difference, paired", delta(pair["difference"]), won, f"{spread}{_p_word(pair)}")
        with st.grid(2, min_column_width=180):
            _card(
                "Tokens a program run", count(second.tokens), f"from {count(first.tokens)}",
                f"{_cost_words(first.cost_usd, second.cost_usd)}, n = {n_both}".replace("$", "\\$"),
            )  # fmt: skip
            _card(
                "Seconds a program run", duration(second.seconds_s), f"from {duration(first.seconds_s)}",
                f"as measured under load, n = {n_both}",
            )  # fmt: skip
    name = picked.words[1]
    st.text(clean(in_words(pair, name if name.startswith((BASELINE, WINNER, LEADER)) else f"“{name}”")))
    if picked.split.value == "val":
        st.caption(
            f"The search chose among {plural(picked.n_candidates, 'candidate')} by these examples, so part of a gain "
            "is luck. The sealed test has no such luck."
        )


def all_of_them(found: Comparison, picked: Picked) -> None:
    """The candidates in one table, each against the first; nothing while there are only two."""
    if not found.beside:
        return
    rows = [{"candidate": one_line(picked.titles[0], 120), **_against(None, found.before)}]
    for place in range(1, len(picked.titles)):
        pair, means = against_first(found, place)
        rows.append({"candidate": one_line(picked.titles[place], 120), **_against(pair, means)})
    if all(row["cost"] == usd(None) for row in rows):
        rows = [{name: value for name, value in row.items() if name != "cost"} for row in rows]
    st.dataframe(
        rows, hide_index=True, alt="Every candidate against the first", row_height=WRAPPED_PX,
        column_config={name: st.column_config.TextColumn(width=width) for name, width in _WIDTHS.items()},
    )  # fmt: skip
    st.caption(f"Each against {one_line(picked.words[0], 80)}, on the examples that both were scored on.")


def _against(pair: Mapping[str, Any] | None, means: Means) -> dict[str, str]:
    known = pair is not None and pair["n"]
    return {
        "score": score(means.score),
        "difference": delta(pair["difference"]) if pair and known else UNKNOWN,
        "90 %": delta_range(pair["low"], pair["high"]) if pair and known else UNKNOWN,
        "won, lost, tied": f"{pair['won']}, {pair['lost']}, {pair['tied']}" if pair and known else UNKNOWN,
        "tokens": count(means.tokens),
        "cost": usd(means.cost_usd),
        "seconds": duration(means.seconds_s),
    }


def _cost_words(before: float | None, after: float | None) -> str:
    return "cost not reported" if before is None and after is None else f"cost {usd(after)}, from {usd(before)}"


def _p_word(pair: Mapping[str, Any]) -> str:
    p = pair["p_value"]
    return "no test" if p is None or pair["n"] < 2 else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _card(title: str, value: str, beside: str, caption: str) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(title, value, beside.replace("$", "\\$"), delta_color="off", delta_arrow="off")
        st.caption(caption)


def example_detail(reader: Reader, picked: Picked, row: ComparedExample, example: Example | None) -> None:
    """Every candidate's prediction and trace of one example, step by step."""
    with st.container(border=True, gap="small"):
        st.header(f"Example, {MARKS[row.change].split(' ', 1)[1]}", anchor=False)
        if example is not None:
            for name, value in (*example.inputs.items(), *((f"wanted: {n}", v) for n, v in example.labels.items())):
                line(name, muted=True, limit=80)
                paragraph(value)
        cells = [_cell(reader, side, picked, row.example) for side in picked.sides]
        with st.grid(len(cells), min_column_width=_SIDE_PX):
            for title, cell in zip(picked.titles, cells, strict=True):
                with st.container(gap="small"):
                    _prediction(title, cell)
        steps = max((len(cell.trace) for cell in cells if cell is not None), default=0)
        for index in range(steps):
            st.caption(f"Step {index + 1} of {steps}")
            with st.grid(len(cells), min_column_width=_SIDE_PX):
                for cell in cells:
                    with st.container(gap="small"):
                        _step(cell.trace[index] if cell is not None and index < len(cell.trace) else None)


def _cell(reader: Reader, side: tuple[str, str | None], picked: Picked, example: str) -> Cell | None:
    run_id, candidate = side
    if candidate is None:
        return None
    try:
        return reader.cell(run_id, CellKey(candidate, picked.split, example))
    except StudioError:
        return None


def _prediction(title: str, cell: Cell | None) -> None:
    if cell is None:
        line(title, bold=True)
        st.caption("It was not asked this example.")
        return
    known = score(cell.score) if cell.error is None else f"no score: {cell.error.value.replace('_', ' ')}"
    line(f"{title[:1].upper()}{title[1:]} · {known}", bold=True)
    spent = cell.usage
    st.caption(
        f"{duration(cell.seconds_s)} · {plural(spent.calls, 'call')} · "
        f"{tokens_of(spent)} tokens · cost {cost_of(spent)}".replace("$", "\\$")
    )
    if cell.error_message:
        paragraph(cell.error_message)
    for name, value in cell.prediction.items():
        line(name, muted=True, limit=80)
        paragraph(value)
    if cell.feedback:
        line("What the metric said", muted=True)
        paragraph(cell.feedback)


def _step(step: TraceStep | None) -> None:
    if step is None:
        st.caption("No such step.")
        return
    with st.container(border=True, gap="xsmall"):
        line(step.predictor, bold=True, limit=80)
        for mark, fields in (("in", step.inputs), ("out", step.outputs)):
            for name, value in fields.items():
                line(f"{mark}: {name}", muted=True, limit=80)
                paragraph(value)
        if step.feedback:
            line("what the metric said about this call", muted=True)
            paragraph(step.feedback)


def texts(reader: Reader, picked: Picked) -> None:
    """The arms of every predictor, and of the program: old and new beside each other, aligned by sentence."""
    sides = [{part.owner: part for part in parts_of(reader, *side)} for side in (picked.first, picked.second)]
    owners = list(dict.fromkeys(owner for side in sides for owner in side))
    if not owners:
        st.caption("No instruction is recorded yet.")
    apart = picked.first[0] != picked.second[0]
    for owner in owners:
        parts = [side.get(owner) for side in sides]
        arms: list[Mapping[str, Arm | None]] = [part.arms if part else {} for part in parts]
        said = [(part.words if part else "") or "as it came" for part in parts]
        if apart:
            said = [f"{words} ({run})" for words, run in zip(said, ("this run", "the other run"), strict=True)]
        with st.container(border=True, gap="small"):
            line(owner or OF_THE_PROGRAM, bold=True)
            for kind in dict.fromkeys([*arms[0], *arms[1]]):
                _one_kind(kind, arms[0].get(kind), arms[1].get(kind), (said[0], said[1]))


def _one_kind(kind: str, before: Arm | None, after: Arm | None, titles: tuple[str, str]) -> None:
    if kind == DEMOS:
        show_demo_diff(before, after)
        return
    if before is None and after is None:
        st.caption(f"Its {title(kind)} is not recorded yet.")
        return
    was, now = (KINDS[kind].describe(arm) if arm else "" for arm in (before, after))
    if before is not None and after is not None and was == now:
        st.caption(f"The same {title(kind)} in both")
        paragraph(now)
        return
    st.html(columns_html(was, now, titles))
    if after:
        line(lineage(after), muted=True)
