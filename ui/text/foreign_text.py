"""Foreign text on a page: shown as it is, never read as Markdown or HTML.

Streamlit reads Markdown in headings, captions, labels and messages, and replaces icons and emoji codes after
parsing, so escaping Markdown is not enough. Foreign text therefore only goes through the functions below, through
`st.text`, `st.code` or a data frame.
"""

import html

import streamlit as st

from mipro_studio.ui.text.format import clean, clip, laid_out, one_line

__all__ = ["heading", "line", "paragraph"]

# The theme gives headings this face, but not those inside st.html.
_HEADING = "padding:0;margin:0;font-family:'Source Serif',serif;font-weight:600;letter-spacing:-.005em"


def _isolated(text: str) -> str:
    # dir=auto lets right-to-left text run its own way without turning the punctuation around it.
    return f'<bdi dir="auto" style="overflow-wrap:anywhere">{html.escape(text)}</bdi>'


def heading(text: object, level: int = 1, limit: int = 120) -> None:
    """A heading made of foreign text."""
    size = "" if level == 1 else ";font-size:21px"
    st.html(f'<h{level} style="{_HEADING}{size}">{_isolated(one_line(text, limit))}</h{level}>')


def line(text: object, *, limit: int = 400, muted: bool = False, bold: bool = False) -> None:
    """One line of foreign text, muted like a caption if asked."""
    style = "margin:0;" + ("opacity:.68;font-size:.9rem;" if muted else "") + ("font-weight:600;" if bold else "")
    st.html(f'<p style="{style}">{_isolated(one_line(text, limit))}</p>')


def paragraph(text: object) -> None:
    """Foreign text with its own line breaks, wrapped, copyable; cut where it is very long."""
    st.code(clean(clip(laid_out(text))), language=None, wrap_lines=True)
