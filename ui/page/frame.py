"""The frame around every page: title of the tab, menu, and the run the menu speaks of.

Every page calls `frame` first. With a `pages/` folder beside the entry, a fresh server runs a deep-linked page alone,
without `app.py`; so what all pages share cannot live there (measured on Streamlit 1.67).
"""

from dataclasses import dataclass

import streamlit as st

from mipro_studio import ROOT
from mipro_studio.storage import named_by
from mipro_studio.ui.page.login import logged_in_name
from mipro_studio.ui.text.foreign_text import line

__all__ = [
    "BENCHMARKS",
    "COMPARE",
    "EXPORT",
    "HOME",
    "INSTRUCTIONS",
    "LAB",
    "LIVE",
    "NEW_RUN",
    "PRESENT",
    "REPLAY",
    "SETTINGS",
    "TRACES",
    "Page",
    "frame",
    "query",
    "run_in_url",
    "tell_url",
]

STATIC = ROOT / "static"
# The dark theme's accent is light, so that it can be read as text; Streamlit writes white on buttons of that colour.
_READABLE = ".stApp button[kind='primary']:not(:disabled) * { color: light-dark(#ffffff, #06201d); }"
# A button's key is dimmed by Streamlit below what can be read.
_KEYS = ".stApp button:not(:disabled) kbd { opacity: 1; color: inherit !important; }"
# Streamlit keeps 5rem free on both sides; on a narrow window tables need the room.
_ROOM = """@media (max-width: 1200px) {
.stMainBlockContainer, [data-testid=stBottomBlockContainer] { padding-left: 2rem; padding-right: 2rem; } }"""
# Whoever asks their system for less motion gets none: no fading, sliding or spinning.
_AT_REST = """@media (prefers-reduced-motion: reduce) { .stApp *, .stApp *::before, .stApp *::after {
animation-duration: .01ms !important; animation-iteration-count: 1 !important; scroll-behavior: auto !important;
transition-duration: .01ms !important; } }"""


@dataclass(frozen=True, slots=True)
class Page:
    """A place in the menu; `of_run` pages carry `?run=ID`."""

    path: str
    title: str
    icon: str
    of_run: bool = False


HOME = Page("app.py", "Runs", ":material/view_list:")
NEW_RUN = Page("pages/new_run.py", "New run", ":material/add_circle:")
LAB = Page("pages/lab.py", "Proposer lab", ":material/science:")
LIVE = Page("pages/live.py", "Live", ":material/monitoring:", of_run=True)
INSTRUCTIONS = Page("pages/instructions.py", "Instructions", ":material/edit_note:", of_run=True)
TRACES = Page("pages/traces.py", "Traces", ":material/route:", of_run=True)
BENCHMARKS = Page("pages/benchmarks.py", "Benchmarks", ":material/leaderboard:")
COMPARE = Page("pages/compare.py", "Compare", ":material/difference:", of_run=True)
EXPORT = Page("pages/export.py", "Export & report", ":material/download:", of_run=True)
REPLAY = Page("pages/replay.py", "Replay", ":material/slow_motion_video:", of_run=True)
PRESENT = Page("pages/present.py", "Present", ":material/slideshow:", of_run=True)
SETTINGS = Page("pages/settings.py", "Settings", ":material/receipt_long:", of_run=True)
MENU = (
    HOME, NEW_RUN, LAB, BENCHMARKS,
    LIVE, INSTRUCTIONS, TRACES, COMPARE, PRESENT, EXPORT, REPLAY, SETTINGS,
)  # fmt: skip


def query(name: str) -> str | None:
    """One parameter of the URL; None when it is absent or empty."""
    return st.query_params.get(name) or None


def run_in_url() -> str | None:
    """The run the URL names."""
    return query("run")


def tell_url(**values: str | None) -> None:
    """Put a selection into the URL, so that the address shows the same again; None takes a name out."""
    for name, value in values.items():
        if value is None:
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != value:
            st.query_params[name] = value


def frame(page: Page, run_name: str | None = None) -> None:
    """Set up the tab and draw the menu.

    Args:
        run_name: Name of the run in the URL, shown over the pages about it.
    """
    st.set_page_config(
        page_title=f"{page.title} · MIPRO Studio",
        page_icon=str(STATIC / "favicon.svg"),
        layout="wide",
        initial_sidebar_state=232,
    )
    st.html(f"<style>{_READABLE}\n{_KEYS}\n{_ROOM}\n{_AT_REST}</style>")
    st.logo(str(STATIC / "logo.svg"), size="large")
    named_by(logged_in_name)
    run = run_in_url()
    with st.sidebar:
        st.header("MIPRO Studio", anchor=False)
        for entry in MENU:
            if not entry.of_run:
                st.page_link(entry.path, label=entry.title, icon=entry.icon, width="stretch")
        if run is not None and run_name is not None:
            st.space("small")
            line(run_name, limit=40, muted=True)
            for entry in MENU:
                if entry.of_run:
                    st.page_link(
                        entry.path,
                        label=entry.title,
                        icon=entry.icon,
                        width="stretch",
                        query_params={"run": run},
                    )
