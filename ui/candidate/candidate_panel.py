"""The panel that a click on a dot or a trial opens: one candidate, in words, in texts and row by row."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.analysis.comparison import Change, ComparedExample, compare
from mipro_studio.optimizer_core.parameters.demos import made_how
from mipro_studio.optimizer_core.parameters.registry import KINDS, OF_THE_PROGRAM
from mipro_studio.optimizer_core.types import DEMOS, Arm, Candidate, Json, Split
from mipro_studio.storage import Reader
from mipro_studio.ui.arms.arm_words import lineage
from mipro_studio.ui.arms.candidate_names import BASELINE, Names, Part, names_of
from mipro_studio.ui.arms.demo_rows import demo_row
from mipro_studio.ui.page.frame import COMPARE, EXPORT
from mipro_studio.ui.page.store import reading
from mipro_studio.ui.result.evidence import estimate_of, paired
from mipro_studio.ui.text.diffs import diff, diff_html, summary
from mipro_studio.ui.text.foreign_text import heading, line, paragraph
from mipro_studio.ui.text.format import clean, delta, interval, one_line, plural, score
from mipro_studio.ui.text.labels import wanted
from mipro_studio.ui.text.wrapped import wrapped

__all__ = ["open_panel", "panel", "row_records"]

ROWS_SHOWN = 200
_MARKS = {Change.IMPROVED: "▲ better", Change.REGRESSED: "▼ worse", Change.SAME: "= same",
          Change.NOT_EVALUATED: "○ one side only"}  # fmt: skip


def open_panel(run_id: str, candidate: str) -> None:
    """The panel over the page; Escape closes it."""
    st.dialog("One candidate", width="large", icon=":material/tune:")(_opened)(run_id, candidate)


def _opened(run_id: str, candidate: str) -> None:
    with reading() as reader:
        if reader is not None:
            panel(reader, run_id, candidate)
            _ways_on(run_id, candidate, names_of(reader, run_id).of(candidate) == BASELINE)


def _ways_on(run_id: str, candidate: str, is_baseline: bool) -> None:
    with st.container(horizontal=True):
        asked = {"run": run_id, "b": candidate, "split": Split.VAL.value}
        if not is_baseline:
            label = "Compare with the program as it came"
            st.page_link(COMPARE.path, label=label, icon=COMPARE.icon, query_params=asked)
        st.page_link(EXPORT.path, label="Take it home, with the prompt as sent", icon=EXPORT.icon,
                     query_params={"run": run_id, "a": candidate, "make": "1"})  # fmt: skip


def panel(reader: Reader, run_id: str, candidate: str) -> None:
    """What it is in words, how it did beside the baseline, its texts, its rows."""
    names = names_of(reader, run_id)
    said = names.of(candidate)
    heading(said[:1].upper() + said[1:], level=2, limit=300)
    parts = names.parts(candidate)
    if not parts:
        st.caption("Its parts are not recorded.")
        return
    baseline = Candidate.baseline(len(parts)).id
    before = reader.candidate_scores(run_id, baseline)
    after = reader.candidate_scores(run_id, candidate)
    _numbers(before, after, said == BASELINE)
    texts, rows = st.tabs(["What it says", f"Its rows ({len(after)})"])
    with texts:
        for part, first in zip(parts, names.parts(None), strict=True):
            _part(part, first, names)
    with rows:
        _rows(reader, run_id, baseline, candidate)
    st.caption(f"In exports it is called {candidate}.")


def _numbers(before: Mapping[str, float | None], after: Mapping[str, float | None], is_baseline: bool) -> None:
    known = tuple(value for value in after.values() if value is not None)
    if not known:
        st.text("It has no score yet.")
        return
    mine = estimate_of(known)
    words = f"{score(mine['mean'])} on validation, {interval(mine)}"
    n_error = len(after) - len(known)
    words += f", {plural(n_error, 'row')} without a score" if n_error else ""
    if not is_baseline:
        both = [(before[name], after[name]) for name in sorted(after) if name in before]
        pairs = tuple((first, second) for first, second in both if first is not None and second is not None)
        if pairs:
            found = paired(pairs)
            words += (
                f"; {delta(found['difference'])} against the program as it came on the same rows: better on "
                f"{found['won']}, worse on {found['lost']}, the same on {found['tied']}"
            )
    st.text(f"{words}.")


def _part(part: Part, first: Part, names: Names) -> None:
    """The arms with what differs from the program's own, where they come from, and the demos."""
    owner = part.owner or OF_THE_PROGRAM
    if len(names.slots) > len(part.arms):
        line(f"{owner}: {part.words or 'as it came'}", bold=True, limit=200)
    for kind, arm in part.arms.items():
        if arm is not None and kind != DEMOS:
            _text(arm, first.arms.get(kind))
    if DEMOS not in part.arms:
        return
    demos = part.demo_set.demos if part.demo_set is not None else ()
    if not demos:
        st.caption("No demos are shown to the model.")
        return
    kind = one_line(made_how(part.demo_set) if part.demo_set else "").replace("_", " ")
    st.caption(f"{plural(len(demos), 'demo')} shown to the model ({kind}):")
    shown = [demo_row(demo) for demo in demos]
    st.dataframe(shown, hide_index=True, height="content", alt=f"Demos of {one_line(owner, 40)}", **wrapped(shown))


def _text(arm: Arm, first: Arm | None) -> None:
    describe = KINDS[arm.kind].describe
    line(lineage(arm), muted=True)
    if first is None or describe(first) == describe(arm):
        paragraph(describe(arm))
        return
    pieces = diff(describe(first), describe(arm))
    old, new = st.columns(2)
    with old:
        st.caption("The program's own")
        paragraph(describe(first))
    with new:
        st.caption("This one")
        paragraph(describe(arm))
    with st.expander(f"The difference word by word: {summary(pieces)}"):
        st.html(diff_html(pieces))


def _rows(reader: Reader, run_id: str, baseline: str, candidate: str) -> None:
    records = row_records(reader, run_id, baseline, candidate)
    if not records:
        st.caption("None of its rows has come in yet.")
        return
    st.dataframe(
        records[:ROWS_SHOWN],
        hide_index=True,
        height=420,
        alt="Rows of this candidate, the largest change first",
        column_config={"input": st.column_config.TextColumn(width="medium")},
    )
    if len(records) > ROWS_SHOWN:
        st.caption(f"The {ROWS_SHOWN} rows that changed most, of {len(records)}. Compare has them all.")


def row_records(reader: Reader, run_id: str, baseline: str, candidate: str) -> list[dict[str, Any]]:
    """The rows of a candidate with answer and wanted answer, those that changed most against the baseline first."""
    after = reader.example_scores(run_id, candidate)
    before = {name: one for name, one in reader.example_scores(run_id, baseline).items() if name in after}
    said = reader.answers(run_id, candidate, Split.VAL)
    examples = {example.id: example for example in reader.examples(run_id, Split.VAL)}
    found = []
    for row in compare(before, after, examples)[: ROWS_SHOWN + 1]:
        example = examples.get(row.example)
        found.append(
            {
                "change": _MARKS[row.change] if candidate != baseline else "",
                "score": _score(row),
                "answer": _fields(said.get(row.example, {})),
                "wanted": _fields(wanted(example.labels, said.get(row.example, {})) if example else {}),
                "input": _fields(example.inputs if example else {}, 200),
            }
        )
    return found


def _score(row: ComparedExample) -> str:
    side = row.after
    return "" if side is None else score(side.score) if side.error is None else f"error: {side.error.value}"


def _fields(values: Json, limit: int = 90) -> str:
    if len(values) == 1:
        return clean(one_line(next(iter(values.values())), limit))
    return " · ".join(f"{one_line(name, 30)}: {one_line(value, limit)}" for name, value in values.items())
