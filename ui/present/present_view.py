"""One slide over the whole window, moved by keys; the menu and everything to press are out of the way."""

import streamlit as st

from mipro_studio.storage import Reader, RunSummary, default_store
from mipro_studio.ui.page.frame import LIVE, query, tell_url
from mipro_studio.ui.present.slides import SLIDES, Facts, presentation_html, slide_facts, slide_html

__all__ = ["present"]

_AT, _READ = "present_at", "present_read"
_BARE = """<style>
[data-testid=stSidebar], [data-testid=stHeader], [data-testid=stExpandSidebarButton] { display: none; }
[data-testid=stMainBlockContainer] { padding: 3vh 5vw 0; max-width: none; }
.st-key-present_keys { opacity: .75; } .st-key-present_keys:hover, .st-key-present_keys:focus-within { opacity: 1; }
</style>"""

_FULL = st.components.v2.component(
    "mipro_full_screen",
    html='<button class="full" type="button" aria-keyshortcuts="f">Full screen <kbd>F</kbd></button>',
    css=".full { font: inherit; font-size: .875rem; color: inherit; background: none; border-radius: 8px; "
    "cursor: pointer; border: 1px solid var(--st-border-color); padding: .35em .9em; } "
    "kbd { opacity: .7; font: inherit; }",
    js="""
export default function ({ parentElement }) {
  const turn = () => document.fullscreenElement
    ? document.exitFullscreen() : document.documentElement.requestFullscreen();
  const typed = (event) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    if (plain && (event.key === "f" || event.key === "F")) turn();
  };
  const button = parentElement.querySelector(".full");
  button.onclick = turn;
  document.addEventListener("keydown", typed);
  return () => document.removeEventListener("keydown", typed);
}
""",
)


def present(reader: Reader, run: RunSummary) -> None:
    """The slide that the address names, and the keys under it."""
    at = _slide()
    facts = _facts(reader, run)
    st.html(_BARE + slide_html(facts, SLIDES[at]))
    with st.container(
        horizontal=True, horizontal_alignment="center", vertical_alignment="center", gap="small", key="present_keys"
    ):
        st.button("Back", key="present_back", shortcut="Left", disabled=not at, on_click=_go, args=(at - 1,))
        st.text(f"{at + 1} of {len(SLIDES)}", width="content")
        st.button(
            "Next", key="present_next", shortcut="Right", disabled=at == len(SLIDES) - 1, on_click=_go, args=(at + 1,)
        )
        _FULL(key="present_full", width="content", height="content")
        st.download_button(
            "As a file", lambda: _file(run.id), f"present-{run.id}.html", "text/html", key="present_file",
            on_click="ignore", help="All slides in one HTML file. It opens offline and prints a slide a page.",
        )  # fmt: skip
        if st.button("Leave", key="present_leave", shortcut="Esc"):
            st.switch_page(LIVE.path, query_params={"run": run.id})


def _facts(reader: Reader, run: RunSummary) -> Facts:
    """Read again only when the run has changed: a key should turn the slide at once."""
    version = (run.id, run.updated_at)
    kept: tuple[tuple[str, str], Facts] | None = st.session_state.get(_READ)
    if kept is None or kept[0] != version:
        kept = (version, slide_facts(reader, run.id))
        st.session_state[_READ] = kept
    return kept[1]


def _file(run_id: str) -> bytes:
    with Reader(default_store()) as reader:
        return presentation_html(reader, run_id).encode()


def _slide() -> int:
    """From 0; the address says it from 1."""
    if _AT not in st.session_state:
        asked = query("slide") or ""
        st.session_state[_AT] = int(asked) - 1 if asked.isascii() and asked.isdigit() else 0
    at: int = min(max(int(st.session_state[_AT]), 0), len(SLIDES) - 1)
    tell_url(slide=str(at + 1) if at else None)
    return at


def _go(at: int) -> None:
    st.session_state[_AT] = at
