"""What is made before the search has a score: demos as they are found, instructions as they arrive."""

import streamlit as st

from mipro_studio.optimizer_core.types import INSTRUCTION, TEACHER, Author, Role, Split
from mipro_studio.storage import LiveView, Reader
from mipro_studio.ui.page.frame import INSTRUCTIONS, TRACES
from mipro_studio.ui.text.by_nature import lacking
from mipro_studio.ui.text.foreign_text import line
from mipro_studio.ui.text.format import plural, score

__all__ = ["preparing"]

_LATEST = 4


def preparing(reader: Reader, view: LiveView) -> None:
    """Two columns: demos and instructions."""
    run_id = view.summary.id
    tried = reader.count_cells(run_id, Split.TRAIN)
    sets = [one for one in reader.demo_sets(run_id) if one.demos]
    written = [arm for arm in reader.instructions(run_id) if arm.author is not Author.SEED]
    found = {(one.owner, demo.example_id) for one in sets for demo in one.demos if demo.augmented}
    with st.container(border=True):
        st.caption("The search chooses among what is made here first.")
        left, right = st.columns(2, gap="large")
        with left:
            st.header("Demos", anchor=False)
            st.text(_tried_words(reader, run_id, tried))
            st.text(_sets_words(len({row for _, row in found}), len({one.index for one in sets})))
            if tried:
                st.page_link(TRACES.path, label="See the traces", icon=TRACES.icon, query_params={"run": run_id})
        with right:
            st.header("Instructions", anchor=False)
            if not written:
                st.text(lacking(view.summary.optimizer, INSTRUCTION) or _unwritten_words(view))
            for arm in reversed(written[-_LATEST:]):
                line(arm.owner, muted=True, limit=60)
                line(arm.text, limit=180)
            if written:
                st.caption(f"{plural(len(written), 'instruction')} so far, the latest first.")
                st.page_link(
                    INSTRUCTIONS.path, label="Read them all", icon=INSTRUCTIONS.icon, query_params={"run": run_id}
                )


def _tried_words(reader: Reader, run_id: str, tried: int) -> str:
    """How many rows the teacher was asked, and how well it did on them."""
    if not tried:
        return "No row was tried yet."
    scores = [cell.score for cell in reader.cells(run_id, TEACHER, Split.TRAIN) if cell.score is not None]
    how = f", mean score {score(sum(scores) / len(scores))}" if scores else ""
    return f"{plural(tried, 'training row')} tried by the teacher{how}."


def _unwritten_words(view: LiveView) -> str:
    """What comes before the first instruction."""
    asked = view.spending.get(Role.PROMPT)
    if asked is None or not asked.calls:
        return "None has been written yet. The prompt model is asked once the demos are there."
    return (
        "None has been written yet. The prompt model describes the rows and the program first: "
        f"{plural(asked.calls, 'call')} so far."
    )


def _sets_words(n_rows: int, n_sets: int) -> str:
    """What the teacher's answers have become so far."""
    if not n_sets:
        return "No set of worked examples is finished yet."
    if not n_rows:
        return f"{plural(n_sets, 'set')} of labelled rows so far; none of the teacher's answers is in one yet."
    return (
        f"{plural(n_rows, 'row became a worked example', 'rows became worked examples')}, in {plural(n_sets, 'set')}."
    )
