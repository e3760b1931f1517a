"""Choices that the URL remembers: what a widget shows on a first visit, and what is written back."""

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import streamlit as st

from mipro_studio.ui.page.frame import query

__all__ = ["pick", "picked"]

T = TypeVar("T", str, int)


def picked(name: str, options: Sequence[T], default: T) -> T:
    """The value that holds: the widget's, else the URL's, else `default`; never one that is not there."""
    key = f"pick_{name}"
    held = st.session_state.get(key)
    if held in options:
        return held  # type: ignore[no-any-return]
    asked = query(name)
    value = next((option for option in options if str(option) == asked), default)
    st.session_state[key] = value
    return value


def pick(
    label: str,
    name: str,
    options: Sequence[T],
    default: T,
    words: Callable[[T], str] = str,
    *,
    width: int | Literal["stretch"] = "stretch",
) -> T:
    """A list to choose from. `words` may be foreign text: a list's options are shown as they are."""
    picked(name, options, default)
    value = st.selectbox(
        label, options, key=f"pick_{name}", format_func=words, on_change=_remember, args=(name,), width=width
    )
    return default if value is None else value  # type: ignore[return-value]


def _remember(name: str) -> None:
    st.query_params[name] = str(st.session_state[f"pick_{name}"])
