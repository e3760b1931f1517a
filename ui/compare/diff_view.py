"""Demos of two candidates beside each other."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import Arm, Demo
from mipro_studio.ui.arms.demo_rows import demo_row
from mipro_studio.ui.text.format import one_line, plural
from mipro_studio.ui.text.wrapped import wrapped

__all__ = ["show_demo_diff"]


def _key(demo: Demo) -> tuple[bool, str]:
    return demo.augmented, repr(sorted(demo.fields.items()))


def show_demo_diff(before: Arm | None, after: Arm | None) -> None:
    """The demos of both sets in one table, marked by where they stand."""
    owner = next((arm.owner for arm in (after, before) if arm is not None), "")
    first: Sequence[Demo] = before.demos if before else ()
    second: Sequence[Demo] = after.demos if after else ()
    if not first and not second:
        st.caption("Demos: none in either (zero-shot).")
        return
    known, kept = {_key(demo) for demo in first}, {_key(demo) for demo in second}
    if known == kept:
        st.caption(f"Demos: the same {plural(len(second), 'demo')} in both.")
    else:
        st.caption(f"Demos: {len(first)} before, {len(second)} after, {len(known & kept)} in both.")
    rows = [_row(demo, "same" if _key(demo) in kept else "- gone") for demo in first]
    rows += [_row(demo, "+ new") for demo in second if _key(demo) not in known]
    st.dataframe(rows, hide_index=True, alt=f"Demos of {one_line(owner, 40)} before and after", **wrapped(rows))


def _row(demo: Demo, mark: str) -> dict[str, Any]:
    return {"change": mark, **demo_row(demo)}
