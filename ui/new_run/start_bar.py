"""Check and Start, in reach however far one has scrolled, with the reason why one of them is off."""

from typing import Any

import streamlit as st

from mipro_studio.optimizer_core.config import RunConfig
from mipro_studio.optimizer_core.errors import BadInput
from mipro_studio.ui.new_run.check_panel import why_not
from mipro_studio.ui.new_run.pace import pace_s, time_words
from mipro_studio.ui.new_run.rehearsal_view import start_anyway
from mipro_studio.ui.page import drafts
from mipro_studio.ui.text.format import between, dollars, one_line

__all__ = ["start_bar"]


def start_bar(
    config: RunConfig | BadInput, checked: tuple[RunConfig, Any] | None, unheld: str
) -> tuple[bool, bool, bool]:
    """Whether Check, Start or Start all the same was pressed; what comes next is the button that stands out.

    Args:
        unheld: Why a cap cannot be held that nobody has agreed to go without, or "".
    """
    reason = why_not(config, checked) or unheld
    complete = not isinstance(config, BadInput)
    with st.bottom.container(key="nr_bar"):
        said, buttons = st.columns([3, 2], vertical_alignment="center")
    said.text(one_line(reason, 160) or _ready(config, checked))
    with buttons.container(horizontal=True, horizontal_alignment="right", gap="small"):
        pressed = st.button(
            "Check", key="nr_check", icon=":material/fact_check:", disabled=not complete,
            type="primary" if reason and complete else "secondary",
        )  # fmt: skip
        started = st.button(
            "Start", key="nr_start", icon=":material/play_arrow:", disabled=bool(reason),
            type="secondary" if reason else "primary", help=reason or "Stores the run and starts its worker.",
        )  # fmt: skip
        anyway = start_anyway(config, checked, unheld)
    return pressed, started, anyway


def _ready(config: RunConfig | BadInput, checked: tuple[RunConfig, Any] | None) -> str:
    """What a press on Start begins."""
    draft = drafts.latest()
    if draft is None or isinstance(config, BadInput):
        return "Checked. Ready to start."
    runs, cost = draft["plan"].get("program_runs") or {}, draft["plan"].get("usd")
    costs = "" if cost is None else f" and {dollars(cost)}"
    time = time_words(runs.get("total"), pace_s(checked), config.threads or 1)
    took = f", about {time}" if time else ""
    return f"Checked. Start takes {between(runs.get('total'))} program runs{costs}{took}."
