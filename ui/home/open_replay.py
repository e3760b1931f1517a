"""Opening a replay file that somebody packed: uploaded or by its path."""

import tempfile
from pathlib import Path

import streamlit as st

from mipro_studio import ROOT
from mipro_studio.control import take_home
from mipro_studio.optimizer_core.errors import BadInput, StudioError
from mipro_studio.storage import default_store
from mipro_studio.ui.page.frame import LIVE, REPLAY
from mipro_studio.ui.page.notices import problem

__all__ = ["finished_run", "open_replay"]

ENDING = "mipro"
MAX_MB = 50
FINISHED = ROOT / "docs" / "runs" / "triage.mipro"
"""A real run of the first sample on the embedded model, which comes along."""


def open_replay(key: str = "open") -> None:
    """A file or its path; shows the run on the replay page once it is read."""
    st.text("A replay file holds one run of a studio. It opens here without model, key or program, to be looked at.")
    uploaded = st.file_uploader("Replay file", type=[ENDING], key=f"{key}_file", max_upload_size=MAX_MB)
    path = st.text_input("Or its path on this machine", key=f"{key}_path", placeholder="run.mipro")
    pressed = st.button(
        "Open", key=f"{key}_go", icon=":material/folder_open:", disabled=uploaded is None and not path.strip(),
        help="Choose a file or name its path first." if uploaded is None and not path.strip() else None,
    )  # fmt: skip
    if not pressed:
        return
    try:
        if uploaded is not None:
            run_id = _uploaded(uploaded.name, uploaded.getvalue())
        else:
            run_id = take_home.open_replay(default_store(), Path(path.strip()).expanduser())
    except StudioError as error:
        problem(error, "It was not opened")
        return
    st.switch_page(REPLAY.path, query_params={"run": run_id})


def finished_run(key: str = "finished") -> None:
    """What comes out of a run, for whoever has none yet: nothing where the file did not come along."""
    if not FINISHED.exists():
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.text(
            "New here? Look at a finished run of the first sample: what was tried, what won, and on which examples.",
            width="stretch",
        )
        pressed = st.button("See a finished run", key=f"{key}_see", icon=":material/visibility:")
    if not pressed:
        return
    try:
        with st.spinner("Opening it…"):
            run_id = take_home.open_replay(default_store(), FINISHED)
    except StudioError as error:
        problem(error, "It was not opened")
        return
    st.switch_page(LIVE.path, query_params={"run": run_id})


def _uploaded(name: str, content: bytes) -> str:
    if len(content) > MAX_MB * 1024 * 1024:
        raise BadInput(f"{name!r} is larger than {MAX_MB} MB.", "Name its path instead of uploading it.")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "uploaded"
        file.write_bytes(content)
        return take_home.open_replay(default_store(), file, name)
