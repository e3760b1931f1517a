"""The search as a chart, with its choice of axis."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.objective_spec import SCORE
from mipro_studio.storage import LiveView
from mipro_studio.ui.arms.candidate_names import Names
from mipro_studio.ui.charts.figures import XAxis, trials_alt, trials_figure
from mipro_studio.ui.charts.gold import gold_of
from mipro_studio.ui.charts.live_chart import live_chart
from mipro_studio.ui.result.evidence import Evidence

__all__ = ["trial_chart"]

AXES: Mapping[str, XAxis] = {"Program runs": "program_runs", "Trials": "number"}


def trial_chart(view: LiveView, config: Mapping[str, Any], names: Names, found: Evidence) -> str | None:
    """The candidate whose dot was clicked, if any. Zoom stays while points arrive; another axis starts anew."""
    gold = gold_of(found, view.trials)
    metric, objective = config.get("metric"), config.get("objective") or SCORE
    plain = f"score ({metric})" if metric else "score"
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.header("Search", anchor=False, width="content")
            axis = st.segmented_control(
                "Horizontal axis", list(AXES), default="Program runs", required=True, key="live_axis",
                label_visibility="collapsed",
            )  # fmt: skip
        clicked = live_chart(
            trials_figure(
                view.trials,
                AXES[axis or "Program runs"],
                plain if objective == SCORE else objective,
                name=names.of,
                n_val=view.summary.n_val,
                gold=gold,
            ),
            key="live_chart",
            height=380,
            alt=trials_alt(view.trials, gold),
            revision=f"{view.summary.id} {axis}",
        )
        st.caption("The larger a dot, the more rows stand behind its score. Click one to see what it is.")
    return clicked
