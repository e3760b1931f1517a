"""A few examples that the winner answers otherwise than the program as it came, beside the headline."""

from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.analysis.comparison import Change
from mipro_studio.optimizer_core.types import Candidate, Split
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.compare.compare_data import answers, compared, preview
from mipro_studio.ui.compare.examples_table import MARKS
from mipro_studio.ui.page.store import kept_of_run
from mipro_studio.ui.result.evidence import Evidence
from mipro_studio.ui.text.format import one_line
from mipro_studio.ui.text.labels import wanted
from mipro_studio.ui.text.wrapped import wrapped

__all__ = ["changed_examples", "for_example"]

MOST, MOST_LOST = 3, 1


def for_example(reader: Reader, run: RunSummary, found: Evidence) -> None:
    """Nothing before there is a winner other than the program as it came, and where the two score alike."""
    best = found.best
    if best is None or not found.final:
        return
    split = Split.TEST if found.tested else Split.VAL
    name = f"for example {best} {split.value}"
    rows = kept_of_run(reader, run, name, lambda: changed_examples(reader, run.id, best, split))
    if not rows:
        return
    with st.container(border=True, gap="small"):
        st.header("For example", anchor=False)
        st.dataframe(rows, hide_index=True, key="live_for_example", alt="Examples that changed", **wrapped(rows))


def changed_examples(reader: Reader, run_id: str, best: str, split: Split) -> list[dict[str, Any]]:
    """At most `MOST` examples with inputs, labels and answers; one that was lost is among them where there is one."""
    baseline = Candidate.baseline(Candidate.parse(best).n_predictors).id
    sides = ((run_id, baseline), (run_id, best))
    found = compared(reader, *sides, split)
    lost = [row for row in found.rows if row.change is Change.REGRESSED][:MOST_LOST]
    won = [row for row in found.rows if row.change is Change.IMPROVED][: MOST - len(lost)]
    before, after = answers(reader, sides, split)
    rows = []
    for row in (*won, *lost):
        example = found.examples.get(row.example)
        said = [side.get(row.example, {}) for side in (before, after)]
        asked = wanted(example.labels, {*said[0], *said[1]}) if example else {}
        rows.append(
            {
                "change": MARKS[row.change],
                "asked": preview(example),
                **{title: " · ".join(one_line(value, 160) for value in values.values())
                   for title, values in (("wanted", asked), ("before", said[0]), ("after", said[1]))},
            }
        )  # fmt: skip
    return rows
