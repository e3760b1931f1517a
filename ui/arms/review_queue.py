"""The review gate, and the changes that wait for the run's worker."""

from collections.abc import Sequence

import streamlit as st

from mipro_studio.control import review
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.optimizer_core.types import Status
from mipro_studio.storage import AskedChange, RunSummary, default_store
from mipro_studio.ui.arms.arm_words import change_words
from mipro_studio.ui.arms.review_forms import refuse
from mipro_studio.ui.page import actions
from mipro_studio.ui.page.frame import LIVE
from mipro_studio.ui.text.by_nature import tunes_weights
from mipro_studio.ui.text.format import ago, clean, plural
from mipro_studio.ui.text.long_text import long_text

__all__ = ["gate", "waiting"]


def gate(run: RunSummary, n_model: int, n_waiting: int) -> None:
    """The way on from the review gate."""
    if run.status is not Status.AWAITING_REVIEW:
        return
    if tunes_weights(run.optimizer):
        st.text("It waits for a look at the rows that weights are about to be tuned on.")
        st.page_link(LIVE.path, label="Read the rows", icon=LIVE.icon, query_params={"run": run.id})
        return
    with st.container(border=True, horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        with st.container(width="content", gap="xsmall"):
            st.header("The search has not begun", anchor=False)
            waits = f" {plural(n_waiting, 'change')} will be taken up first." if n_waiting else ""
            st.text(
                f"{plural(n_model, 'instruction')} proposed. Read them, edit or reject, then start the search.{waits}"
            )
        st.button(
            "Start the search",
            key="review_approve",
            type="primary",
            icon=":material/play_arrow:",
            shortcut="Shift+S",
            help="No search money is spent before this.",
            on_click=actions.ask,
            args=("approve", run.id),
        )


def waiting(run: RunSummary, asked: Sequence[AskedChange]) -> None:
    """Changes that no worker has taken up, and those that were refused."""
    queue = [one for one in asked if one.settled is None]
    refused = [one for one in asked if one.settled is not None and one.settled.refused]
    if queue:
        with st.container(border=True, gap="xsmall"):
            st.badge(f"{plural(len(queue), 'change')} waiting", icon=":material/pending:", color="orange")
            st.caption(_when(run))
            for one in queue:
                _row(run, one)
    if refused:
        with st.expander(f"{plural(len(refused), 'change')} refused", icon=":material/block:"):
            for one in reversed(refused):
                st.text(f"{change_words(one)[0]} · {ago(one.sent_at)}")
                st.text(clean(one.settled.refused) if one.settled else "")


def _when(run: RunSummary) -> str:
    match run.status:
        case Status.RUNNING:
            return "The worker takes them up before its next trial."
        case Status.QUEUED:
            return "The worker takes them up as soon as it has started."
        case Status.AWAITING_REVIEW:
            if tunes_weights(run.optimizer):
                return "They are taken up when you start the training."
            return "They are taken up when you start the search, before its first trial."
    return "They are taken up when the run is resumed, before its next trial."


def _row(run: RunSummary, one: AskedChange) -> None:
    said, text = change_words(one)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.text(f"{said} · {ago(one.sent_at)}", width="content")
        st.button(
            "Take back",
            key=f"review_withdraw_{one.change.id}",
            type="tertiary",
            icon=":material/undo:",
            on_click=_withdraw,
            args=(run.id, one.change.id),
        )
    if text:
        long_text(text, f"review_waiting_{one.change.id}", clip=400)


def _withdraw(run_id: str, number: int) -> None:
    try:
        review.withdraw(default_store(), run_id, number)
    except StudioError as error:
        refuse(error)
