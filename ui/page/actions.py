"""What a person can ask of a run. Called as callbacks; a refusal is kept for the page to show."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from mipro_studio.control import launcher
from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage import default_store
from mipro_studio.ui.page.access import require_allowed

__all__ = ["ask", "more_trials", "start", "take_refusal"]

_REFUSAL = "actions_refusal"

_ASKS: dict[str, Callable[..., Any]] = {
    "stop": lambda *run: launcher.stop(*run),
    "pause": lambda *run: launcher.pause(*run),
    "resume": lambda *run: launcher.resume(*run),
    "resume_despite_errors": lambda *run: launcher.resume(*run, despite_errors=True),
    "approve": lambda *run: launcher.approve(*run),
    "ablate": lambda *run: launcher.ablate(*run),
    "spawn": lambda *run: launcher.spawn(*run),
}
"""Looked up when called, so that tests can stand in for the launcher."""


def take_refusal() -> StudioError | None:
    """Why the last action was refused; forgotten once asked for."""
    refusal: StudioError | None = st.session_state.pop(_REFUSAL, None)
    return refusal


def ask(what: str, run_id: str) -> None:
    """Stop, pause, resume, approve, ablate a run, or give a queued one the worker that never came (`spawn`)."""
    try:
        _ASKS[what](default_store(), run_id)
    except StudioError as error:
        st.session_state[_REFUSAL] = error


def more_trials(run_id: str, key: str) -> None:
    """Resume a finished run up to the number of trials in the widget `key`."""
    try:
        launcher.resume(default_store(), run_id, int(st.session_state[key]))
    except StudioError as error:
        st.session_state[_REFUSAL] = error


def start(config: dict[str, object]) -> str | None:
    """Start a run; None when it was refused."""
    # Not with the page: who starts nothing need not wait for what it takes to import.
    from mipro_studio.optimizer_core.config import parse_config

    try:
        require_allowed(parse_config(config))
        return launcher.start(default_store(), config)
    except StudioError as error:
        st.session_state[_REFUSAL] = error
        return None
