"""A run played again: a slider through its life, with no model and no key. The URL names run and moment."""

import streamlit as st

from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.page.frame import LIVE, REPLAY
from mipro_studio.ui.page.of_run import page_of_run
from mipro_studio.ui.replay.replay_state import History, history
from mipro_studio.ui.replay.replay_view import PLAY, SECONDS_A_STEP, ending, replay
from mipro_studio.ui.text.status import is_active

_READ = "replay_read"


def read(reader: Reader, run: RunSummary) -> History:
    """The run's history, read again only when it has changed: playing asks for it more than once a second."""
    kept: tuple[tuple[str, str], History] | None = st.session_state.get(_READ)
    version = (run.id, run.updated_at)
    if kept is None or kept[0] != version:
        kept = (version, history(reader, run))
        st.session_state[_READ] = kept
    return kept[1]


def draw(reader: Reader, run: RunSummary) -> None:
    if is_active(run):
        st.text("This run is still moving. The Live page follows it; the replay shows what is there so far.")
        st.page_link(LIVE.path, label="Follow it live", icon=LIVE.icon, query_params={"run": run.id})
    found = read(reader, run)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.text(ending(found))
        playing = st.toggle("Play", key=PLAY, disabled=len(found.moments) < 2)
    if playing and st.session_state.get("replay_at", 0) >= len(found.moments) - 1:
        st.session_state["replay_at"] = 0
    st.fragment(replay, run_every=SECONDS_A_STEP if playing else None)(found, reader.config(run.id), playing)


with page_of_run(REPLAY) as opened:
    if opened is not None:
        draw(*opened)
