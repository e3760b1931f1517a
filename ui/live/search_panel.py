"""The middle of the live page: how far the run is, what is made before the search, and the search itself."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.types import Split, Status, TrialKind
from mipro_studio.storage import LiveView, Reader
from mipro_studio.ui.arms.candidate_names import Names
from mipro_studio.ui.candidate.candidate_panel import open_panel
from mipro_studio.ui.charts.trial_chart import trial_chart
from mipro_studio.ui.live.preparing import preparing
from mipro_studio.ui.live.work_done import work_done
from mipro_studio.ui.result.evidence import Evidence
from mipro_studio.ui.text.status import is_active

__all__ = ["bar", "before_the_search", "search_panel", "searched"]


def bar(reader: Reader, view: LiveView, plan: Mapping[str, Any], names: Names) -> None:
    """One bar for the whole run; it only grows. Time left is from what was measured."""
    done = work_done(view, plan, reader.count_cells(view.summary.id, Split.TRAIN), names.n_written)
    st.progress(done.share, text=done.words if view.summary.status is Status.RUNNING else None)


def before_the_search(reader: Reader, view: LiveView) -> None:
    """What is being made as long as no candidate has a score."""
    if is_active(view.summary) and not searched(view):
        preparing(reader, view)


def searched(view: LiveView) -> bool:
    """Whether a candidate has a score: of the baseline alone a chart would be empty."""
    return any(trial.n_ok and trial.kind is not TrialKind.BASELINE for trial in view.trials)


def search_panel(view: LiveView, config: Mapping[str, Any], names: Names, found: Evidence) -> None:
    """The chart, as soon as a candidate has a score; a click opens one."""
    if not searched(view):
        return
    clicked = trial_chart(view, config, names, found)
    if clicked:
        open_panel(view.summary.id, clicked)
