"""What a person can ask of a run. Called as callbacks; a refusal is kept for the page to show."""

import streamlit as st

import launcher
from optimizer_core.errors import StudioError
from optimizer_core.types import Status
from storage import default_store
from ui.store import writing

__all__ = ["again", "pause", "resume", "start", "stop", "take_refusal"]

_REFUSAL = "actions_refusal"


def take_refusal() -> StudioError | None:
    """Why the last action was refused; forgotten once asked for."""
    refusal: StudioError | None = st.session_state.pop(_REFUSAL, None)
    return refusal


def stop(run_id: str, status: Status) -> None:
    """End with the best so far: a worker is asked, a run that stands still is simply over."""
    try:
        with writing() as store:
            if status is Status.RUNNING:
                store.send(run_id, "stop", {})
            else:
                store.move(run_id, Status.STOPPED, "Stopped by a person.")
    except StudioError as error:
        st.session_state[_REFUSAL] = error


def pause(run_id: str) -> None:
    try:
        with writing() as store:
            store.send(run_id, "pause", {})
    except StudioError as error:
        st.session_state[_REFUSAL] = error


def resume(run_id: str) -> None:
    """Queue the run again and give it a worker."""
    try:
        launcher.resume(default_store(), run_id)
    except StudioError as error:
        st.session_state[_REFUSAL] = error


def again(run_id: str) -> None:
    """Give a queued run the worker that never came."""
    try:
        launcher.spawn(default_store(), run_id)
    except StudioError as error:
        st.session_state[_REFUSAL] = error


def start(config: dict[str, object]) -> str | None:
    """Start a run; None when it was refused."""
    try:
        return launcher.start(default_store(), config)
    except StudioError as error:
        st.session_state[_REFUSAL] = error
        return None
