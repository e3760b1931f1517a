"""A person's note as it reads: Markdown that fetches nothing and runs nothing.

A note may come with somebody else's replay file. `st.markdown` would load the images it names from their servers;
here HTML stays text, an image stays a link to it, and `st.html` sanitizes what is left once more.
"""

from functools import cache
from typing import TYPE_CHECKING

import streamlit as st

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token
    from markdown_it.utils import EnvType, OptionsDict

from mipro_studio.ui.text.format import clean, clip

__all__ = ["note_html", "note_text"]


def _opens_apart(tokens: "list[Token]", at: int, options: "OptionsDict", env: "EnvType") -> str:
    from markdown_it.renderer import RendererHTML

    # A page that is left loses what was typed into its forms.
    tokens[at].attrSet("target", "_blank")
    tokens[at].attrSet("rel", "noopener noreferrer")
    return RendererHTML().renderToken(tokens, at, options, env)


@cache
def _reader() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # most runs have no note, and every page about a run would wait for it

    # "js-default" is CommonMark with tables and strikethrough, without HTML; it refuses javascript: and data: links.
    made = MarkdownIt("js-default").disable("image")
    made.renderer.rules["link_open"] = _opens_apart  # type: ignore[attr-defined]
    return made


def note_html(text: object) -> str:
    """`text` as HTML without foreign elements, images or scripts; cut where it is very long."""
    return f'<div dir="auto" style="overflow-wrap:anywhere">{_reader().render(clean(clip(text)))}</div>'


def note_text(text: object) -> None:
    """Show a note as it reads; nothing for an empty one."""
    if str(text).strip():
        with st.container(border=True, gap="xsmall"):
            st.caption("As it reads")
            st.html(note_html(text))
