"""Messages that may carry foreign text: what is wrong, and what to do about it."""

from typing import Literal

import streamlit as st

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.ui.text.foreign_text import paragraph
from mipro_studio.ui.text.format import clean

__all__ = ["notice", "problem"]

Colour = Literal["blue", "gray", "green", "orange", "red", "violet"]


def notice(title: str, body: str, *, icon: str, colour: Colour, hint: str = "", details: str = "") -> None:
    """A bordered message. `title` and `hint` are ours, `body` and `details` may be anyone's."""
    with st.container(border=True, gap="xsmall"):
        st.badge(title, icon=icon, color=colour)
        if body:
            st.text(clean(body))
        if hint:
            st.caption(hint)
        if details:
            with st.expander("Details"):
                paragraph(details)


def problem(error: StudioError, title: str = "That did not work", hint: str = "") -> None:
    """An error of the studio, in its own words, with the lines of a person's code that it came through."""
    notice(title, str(error), icon=":material/error:", colour="red", hint=hint, details="\n".join(error.frames))
