"""Foreign text that may be very long: its beginning on the page, all of it to download."""

import streamlit as st

from mipro_studio.ui.text.foreign_text import paragraph
from mipro_studio.ui.text.format import clean, count, laid_out

__all__ = ["CLIP", "long_text", "values"]

CLIP = 3000
"""Characters shown; a megabyte in a page makes the browser slow."""


def long_text(text: object, key: str, clip: int = CLIP, name: str = "text") -> None:
    """`text` as it stands, wrapped; when it is longer than `clip`, the rest is a download.

    Args:
        key: Of the download button, once on the page.
    """
    whole = laid_out(text)
    if not whole:
        st.caption("Empty.")
        return
    paragraph(whole[:clip] + ("…" if len(whole) > clip else ""))
    if len(whole) > clip:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"The first {count(clip)} of {count(len(whole))} characters.", width="content")
            st.download_button(
                "All of it",
                whole.encode("utf-8", "backslashreplace"),
                f"{name}.txt",
                "text/plain",
                key=key,
                on_click="ignore",
                icon=":material/download:",
                type="tertiary",
            )


def values(fields: dict[str, object], key: str, clip: int = CLIP) -> None:
    """Named values one under the other."""
    for number, (name, value) in enumerate(fields.items()):
        st.text(clean(name)[:200])
        long_text(value, f"{key}_{number}", clip, name="value")
