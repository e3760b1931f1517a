"""A person's note as it reads: Markdown that fetches nothing and runs nothing.

A note may come with somebody else's replay file. `st.markdown` would load the images it names from their servers;
here HTML stays text, an image stays a link to it, and `st.html` sanitizes what is left once more.
"""

import streamlit as st
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

from mipro_studio.ui.text.format import clean, clip

__all__ = ["note_html", "note_text"]


def _opens_apart(tokens: list[Token], at: int, options: OptionsDict, env: EnvType) -> str:
    # A page that is left loses what was typed into its forms.
    tokens[at].attrSet("target", "_blank")
    tokens[at].attrSet("rel", "noopener noreferrer")
    return RendererHTML().renderToken(tokens, at, options, env)


# "js-default" is CommonMark with tables and strikethrough and without HTML; it refuses javascript: and data: links.
_READER = MarkdownIt("js-default").disable("image")
_READER.renderer.rules["link_open"] = _opens_apart  # type: ignore[attr-defined]


def note_html(text: object) -> str:
    """`text` as HTML without foreign elements, images or scripts; cut where it is very long."""
    return f'<div dir="auto" style="overflow-wrap:anywhere">{_READER.render(clean(clip(text)))}</div>'


def note_text(text: object) -> None:
    """Show a note as it reads; nothing for an empty one."""
    if str(text).strip():
        with st.container(border=True, gap="xsmall"):
            st.caption("As it reads")
            st.html(note_html(text))
