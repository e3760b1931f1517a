"""The report on a run's rows: what was done with them, which column is what, which classes each split has."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mipro_studio.ui.text.foreign_text import line
from mipro_studio.ui.text.format import clean, count, one_line

__all__ = ["data_report", "short_first"]

Facts = Mapping[str, Any]

_SPLITS = ("train", "val", "test")


def data_report(report: Facts) -> None:
    """`report` is `optimizer_core.data.data_report`'s."""
    for sentence in report["sentences"]:
        line(one_line(sentence, 600), muted=True)
    with st.expander("Columns and classes"):
        st.table([_column(one) for one in report["columns"]], border="horizontal", alt="The columns")
        for label, classes in report["classes"].items():
            rows = [
                {one_line(label, 40): clean(value), **{split: count(counts[split]) for split in _SPLITS}}
                for value, counts in classes.items()
            ]
            st.table(rows, border="horizontal", alt=f"Rows of each {one_line(label, 40)} by split")


def _column(facts: Facts) -> dict[str, str]:
    return {
        "Column": one_line(facts["column"], 60),
        "Is": f"{facts['role']}: {facts['why']}" if facts["why"] else facts["role"],
        "Missing": count(facts["missing"]),
        "Distinct": count(facts["distinct"]),
        "Longest, in characters": count(facts["longest"]),
    }


def short_first(rows: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The same rows, columns with short texts before long ones: labels are seen beside the texts that they are of."""
    longest = {name: max(len(row.get(name, "")) for row in rows) for row in rows for name in row}
    order = sorted(longest, key=lambda name: longest[name])
    return [{name: row.get(name, "") for name in order} for row in rows]
