"""The compare page below its pickers: four numbers, the examples, one example step by step, the texts."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.analysis.comparison import Change, ComparedExample
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.parameters.registry import KINDS, OF_THE_PROGRAM, title
from mipro_studio.optimizer_core.types import (
    DEMOS,
    Arm,
    Candidate,
    Cell,
    CellKey,
    Example,
    ExampleScore,
    TraceStep,
)
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.slots import Slot, arms_by_slot, n_predictors, slots_of
from mipro_studio.ui.compare.compare_data import CHANGES, Comparison, answers, in_words, preview, to_csv
from mipro_studio.ui.compare.compare_pickers import Picked
from mipro_studio.ui.compare.diff_view import show_demo_diff, show_diff
from mipro_studio.ui.page.frame import query, tell_url
from mipro_studio.ui.page.store import reading
from mipro_studio.ui.text.foreign_text import line, paragraph
from mipro_studio.ui.text.format import (
    UNKNOWN,
    cost_of,
    count,
    delta,
    duration,
    one_line,
    plural,
    score,
    tokens_of,
    usd,
)

__all__ = ["example_detail", "examples_table", "four_numbers", "texts"]

_MARKS = {Change.IMPROVED: "▲ better", Change.REGRESSED: "▼ worse", Change.SAME: "= same",
          Change.NOT_EVALUATED: "○ not evaluated"}  # fmt: skip
_ROW_PX, _ROWS = 35, 12


def four_numbers(found: Comparison, picked: Picked) -> None:
    """Score, cost, tokens and latency, each from the first candidate to the second, and the verdict in words.

    Only words where no example was scored for both.
    """
    first, second, pair = found.before, found.after, found.paired
    if not pair["n"]:
        st.text(in_words(pair))
        return
    n_both = sum(row.before is not None and row.after is not None for row in found.rows)
    with st.grid(2, min_column_width=430):
        with st.grid(2, min_column_width=180):
            low, high = pair.get("low"), pair.get("high")
            spread = f"{delta(low)} to {delta(high)} ({pair['level'] * 100:.0f} %), " if pair["n"] > 1 else ""
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
    st.text(in_words(pair))
    if picked.split.value == "val":
        st.caption(
            f"The search chose among {plural(picked.n_candidates, 'candidate')} by these examples, so part of a gain "
            "is luck. The sealed test has no such luck."
        )


def _cost_words(before: float | None, after: float | None) -> str:
    return "cost not reported" if before is None and after is None else f"cost {usd(after)}, from {usd(before)}"


def _p_word(pair: Mapping[str, Any]) -> str:
    p = pair["p_value"]
    return "no test" if p is None or pair["n"] < 2 else "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _card(title: str, value: str, beside: str, caption: str) -> None:
    with st.container(border=True, height="stretch", gap="xsmall"):
        st.metric(title, value, beside.replace("$", "\\$"), delta_color="off", delta_arrow="off")
        st.caption(caption)


def examples_table(found: Comparison, picked: Picked) -> ComparedExample | None:
    """The examples by kind of change, the largest first; the row chosen, which the URL keeps."""
    counts = found.counts
    words = {"all": f"All ({count(len(found.rows))})"}
    words |= {change.value: f"{word} ({count(counts[change])})" for change, word in CHANGES.items()}
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="bottom"):
        asked = query("show")
        st.session_state.setdefault("compare_show", asked if asked in words else "all")
        shown = st.segmented_control(
            "Examples", list(words), key="compare_show", format_func=words.__getitem__, required=True,
            label_visibility="collapsed",
        )  # fmt: skip
        sought = st.text_input(
            "Find in inputs and labels", key="compare_find", placeholder="Find in inputs and labels",
            label_visibility="collapsed", width=260,
        )  # fmt: skip
        st.download_button(
            "Cells (CSV)", lambda: _csv(found, picked), f"compare-{picked.first[0]}.csv",
            "text/csv",
            key="compare_csv", icon=":material/download:", on_click="ignore",
        )  # fmt: skip
    tell_url(show=None if shown in (None, "all") else shown)
    rows = [row for row in found.rows if shown in (None, "all", row.change.value)]
    rows = [row for row in rows if _matches(found.examples.get(row.example), sought)] if sought else rows
    if not rows:
        st.caption("No example here. Choose another kind above, or clear the search.")
        return _named(found)
    event = st.dataframe(
        [_row(row, found.examples.get(row.example)) for row in rows],
        hide_index=True,
        key=f"compare_rows_{picked}_{shown}_{len(rows)}",
        on_select="rerun",
        selection_mode="single-row",
        row_height=_ROW_PX,
        height="content" if len(rows) <= _ROWS else _ROW_PX * (1 + _ROWS),
        alt="Examples, the largest change of score first",
        column_config={
            "change": st.column_config.TextColumn(width=120),
            "inputs": st.column_config.TextColumn(width="large"),
        },
    )
    chosen = event.selection.get("rows") or []
    if chosen and chosen[0] < len(rows):
        tell_url(example=rows[chosen[0]].example)
        row: ComparedExample = rows[chosen[0]]
        return row
    st.caption("Choose a row to see both predictions and every step.")
    return _named(found)


def _csv(found: Comparison, picked: Picked) -> bytes:
    """Answers are read when the file is asked for: they may be long."""
    with reading() as reader:
        said = answers(reader, picked.first, picked.second, picked.split) if reader is not None else ({}, {})
    return to_csv(found, said).encode("utf-8", "replace")


def _named(found: Comparison) -> ComparedExample | None:
    asked = query("example")
    return next((row for row in found.rows if row.example == asked), None) if asked else None


def _matches(example: Example | None, sought: str) -> bool:
    values = [*example.inputs.values(), *example.labels.values()] if example else []
    return any(sought.casefold() in str(value).casefold() for value in values)


def _row(row: ComparedExample, example: Example | None) -> dict[str, Any]:
    labels = " · ".join(one_line(value, 60) for value in example.labels.values()) if example else ""
    return {
        "change": _MARKS[row.change],
        "first": _score_word(row.before),
        "second": _score_word(row.after),
        "difference": delta(row.difference),
        "labels": labels,
        # Last: it is what a narrow page may cut.
        "inputs": preview(example),
    }


def _score_word(side: ExampleScore | None) -> str:
    if side is None:
        return "not asked"
    return f"error: {side.error}" if side.error is not None else score(side.score)


def example_detail(reader: Reader, picked: Picked, row: ComparedExample, example: Example | None) -> None:
    """Both predictions and traces of one example, step by step."""
    with st.container(border=True, gap="small"):
        st.subheader(f"Example, {_MARKS[row.change].split(' ', 1)[1]}", anchor=False)
        if example is not None:
            for name, value in (*example.inputs.items(), *((f"label {n}", v) for n, v in example.labels.items())):
                line(name, muted=True, limit=80)
                paragraph(value)
        cells = [_cell(reader, side, picked, row.example) for side in (picked.first, picked.second)]
        for column, title, cell in zip(st.columns(2), ("First", "Second"), cells, strict=True):
            with column:
                _prediction(title, cell)
        steps = max((len(cell.trace) for cell in cells if cell is not None), default=0)
        for index in range(steps):
            st.caption(f"Step {index + 1} of {steps}")
            for column, cell in zip(st.columns(2), cells, strict=True):
                with column:
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
        st.markdown(f"**{title}**")
        st.caption("It was not asked this example.")
        return
    known = score(cell.score) if cell.error is None else f"no score: {cell.error.value.replace('_', ' ')}"
    st.markdown(f"**{title}** · {known}")
    spent = cell.usage
    st.caption(
        f"{duration(cell.seconds_s)} · {plural(spent.calls, 'call')} · "
        f"{tokens_of(spent)} tokens · {cost_of(spent)}".replace("$", "\\$")
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
    """The arms of every predictor, and of the program: what went and what came."""
    before, after = (_arms(reader, *side) for side in (picked.first, picked.second))
    slots = list(dict.fromkeys([*before, *after]))
    if not slots:
        st.caption("No instruction is recorded yet.")
    for owner in dict.fromkeys(owner for owner, _ in slots):
        with st.container(border=True, gap="small"):
            line(owner or OF_THE_PROGRAM, bold=True)
            for slot in slots:
                if slot[0] == owner:
                    _one_kind(slot[1], before.get(slot), after.get(slot))


def _one_kind(kind: str, before: Arm | None, after: Arm | None) -> None:
    if kind == DEMOS:
        show_demo_diff(before, after)
        return
    if before is None and after is None:
        st.caption(f"Its {title(kind)} is not recorded yet.")
        return
    was, now = (KINDS[kind].describe(arm) if arm else "" for arm in (before, after))
    same = before is not None and after is not None and was == now
    said = "the same in both" if same else f"{_author(before)} → {_author(after)}"
    st.caption(f"{title(kind).capitalize()}: {said}")
    show_diff(was, now)


def _author(found: Arm | None) -> str:
    by = {"seed": "as it came with the program", "model": "written by the prompt model", "person": "by a person"}
    return by[found.author.value] if found else UNKNOWN


def _arms(reader: Reader, run_id: str, candidate: str | None) -> Mapping[Slot, Arm | None]:
    """By (owner, kind); None where the arm is not recorded yet."""
    arms = reader.arms(run_id)
    slots = slots_of(arms)
    chosen = Candidate.parse(candidate) if candidate else Candidate.baseline(n_predictors(slots))
    known = {(arm.owner, arm.kind, arm.index): arm for arm in arms}
    return {slot: known.get((*slot, index)) for slot, index in arms_by_slot(chosen, slots).items()}
