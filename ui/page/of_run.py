"""The beginning of every page about one run: frame, heading, and the way on when there is no such run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st

from mipro_studio.optimizer_core.errors import StudioError
from mipro_studio.storage import Reader, RunSummary
from mipro_studio.ui.page.frame import HOME, LIVE, NEW_RUN, Page, frame, run_in_url
from mipro_studio.ui.page.notices import problem
from mipro_studio.ui.page.store import reading, require_whole
from mipro_studio.ui.text.foreign_text import heading
from mipro_studio.ui.text.format import one_line
from mipro_studio.ui.text.status import LOOKS, is_active

__all__ = ["followed", "page_of_run"]


@contextmanager
def page_of_run(
    page: Page, *, moving: bool = False, otherwise: str = "", bare: bool = False
) -> Iterator[tuple[Reader, RunSummary] | None]:
    """An open reader and the run in the URL; None once the page has said that there is none.

    Args:
        moving: The page shows the run's status itself, as it changes.
        otherwise: What to say where the address names no run.
        bare: The page has a heading of its own.
    """
    asked = run_in_url()
    with reading_or_error() as (reader, error):
        run = None
        if reader is not None and asked:
            try:
                run = reader.run(asked)
                require_whole(reader, run)
            except StudioError as missing:
                run, error = None, missing
        if reader is None or run is None:
            _nothing(page, error, otherwise)
            yield None
            return
        frame(page, run.name)
        if not bare:
            _head(page, run, moving)
        yield reader, run


def _head(page: Page, run: RunSummary, moving: bool) -> None:
    """Name, status, and what identifies the run."""
    heading(run.name if page is LIVE else f"{page.title}: {run.name}")
    look = LOOKS[run.status]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if not moving:
            st.badge(look.word, icon=look.icon, color=look.colour)
        if run.origin and not moving:
            st.badge("Replay file, only shown", icon=":material/inventory_2:", color="violet")
        st.caption(f"{one_line(run.optimizer, 30)} · seed {run.seed} · {run.id}", width="content")


def followed(page: Page, draw: Callable[[Reader, RunSummary], None], every_s: float, otherwise: str = "") -> None:
    """A page that shows its run anew every `every_s` seconds while the run works, and once where it stands still.

    Args:
        draw: The page below its heading, with a reader that is open while it draws, and the run as it is by then.
        otherwise: What to say where the address names no run.
    """
    with page_of_run(page, moving=True, otherwise=otherwise) as opened:
        if opened is None:
            return
        run = opened[1]
    polled = is_active(run)

    def refresh() -> None:
        with reading() as reader:
            if reader is not None and is_active(now := reader.run(run.id)) == polled:
                draw(reader, now)
            else:  # polling begins or ends with the whole page
                st.rerun()

    st.fragment(refresh, run_every=every_s if polled else None)()


@contextmanager
def reading_or_error() -> Iterator[tuple[Reader | None, StudioError | None]]:
    """As `reading`, with the error that kept the store shut instead of raising it."""
    opened = reading()
    try:
        reader = opened.__enter__()
    except StudioError as error:
        yield None, error
        return
    try:
        yield reader, None
    finally:
        opened.__exit__(None, None, None)


def _nothing(page: Page, error: StudioError | None, otherwise: str) -> None:
    frame(page)
    st.title(page.title, anchor=False)
    if error is not None:
        problem(error, "This run cannot be shown")
    else:
        st.text(f"No run is chosen here. {otherwise}".strip())
    st.page_link(HOME.path, label="Choose a run", icon=HOME.icon)
    st.page_link(NEW_RUN.path, label="Start one", icon=NEW_RUN.icon)
